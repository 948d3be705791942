/** A worker's slots as pips: filled ones answer, a number beside them waits. Many slots become a meter. */
import type { LoadRow, WorkerRow } from "@/state";
import { cn, format, Meter } from "@/ui";

const PIPS_MAX = 16;
const WIDE_MAX = 8;

export function Slots({ worker, load }: { worker: WorkerRow; load: LoadRow | undefined }) {
  const total = worker.slots_total;
  const busy = load ? Math.max(load.slots_busy ?? 0, load.running) : null;
  const queued = load?.queued ?? 0;
  if (total === null)
    return <span title="It does not tell how many requests it takes at once">{format.UNKNOWN}</span>;
  const words = `${busy ?? "an unknown number"} of ${total} slots in use${queued > 0 ? `, ${queued} wait` : ""}`;
  return (
    <span className="inline-flex items-center gap-2" title={words}>
      {total > PIPS_MAX ? (
        <Meter
          used={busy}
          total={total}
          label={words}
          alarm={false}
          className="w-20"
          text={`${busy ?? "–"}/${total}`}
        />
      ) : (
        <span className="inline-flex gap-[2px]" role="img" aria-label={words}>
          {Array.from({ length: total }, (_, at) => (
            <span
              key={at}
              className={cn(
                "h-3 rounded-[1.5px]",
                total > WIDE_MAX ? "w-[3px]" : "w-1.5",
                busy !== null && at < busy ? "bg-accent" : "bg-line-strong",
              )}
            />
          ))}
        </span>
      )}
      {queued > 0 ? <span className="text-2xs text-warn num">+{queued}</span> : null}
    </span>
  );
}
