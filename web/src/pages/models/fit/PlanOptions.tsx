/** Every device of every hive and whether the model fits there now, as the plan says; a row can be chosen. */
import { cn, format, Meter } from "@/ui";
import { OptionBadge } from "./FitBadge";
import type { Plan, PlanOption } from "./usePlan";

/** More rows than these hide the rest of a form; those that can take it come first. */
const SHOWN_MAX = 40;

export interface PlanOptionsProps {
  plan: Plan;
  selected?: { hive: string; device: string } | undefined;
  onSelect?: (option: PlanOption) => void;
}

export function PlanOptions({ plan, selected, onSelect }: PlanOptionsProps) {
  const rows = [...plan.options].sort((a, b) => rank(a) - rank(b));
  if (rows.length === 0) return <p className="text-xs text-muted">No hive is there to run it.</p>;
  return (
    <div className="flex flex-col overflow-hidden rounded-md border">
      {rows.slice(0, SHOWN_MAX).map((option) => (
        <OptionRow
          key={`${option.hive_id} ${option.device ?? ""}`}
          option={option}
          selected={selected?.hive === option.hive_id && selected.device === (option.device ?? "")}
          onSelect={onSelect}
        />
      ))}
      {rows.length > SHOWN_MAX ? (
        <p className="px-3 py-1.5 text-xs text-faint">and {rows.length - SHOWN_MAX} more places</p>
      ) : null}
    </div>
  );
}

function rank(option: PlanOption): number {
  return option.chosen ? 0 : option.able ? 1 : 2;
}

function OptionRow({
  option,
  selected,
  onSelect,
}: {
  option: PlanOption;
  selected: boolean;
  onSelect?: ((option: PlanOption) => void) | undefined;
}) {
  const inside = (
    <>
      <span className="flex min-w-0 items-center gap-2">
        <span className="min-w-0 flex-1 truncate text-left">
          {option.hive_id}
          {option.device ? <span className="text-muted"> · {option.device}</span> : null}
        </span>
        <OptionBadge option={option} />
      </span>
      <span className="flex min-w-0 items-center gap-3 text-xs text-muted">
        {option.needed_bytes === null ? null : (
          <Meter
            used={option.needed_bytes}
            total={option.free_bytes}
            label={`Memory on ${option.hive_id} ${option.device ?? ""}`}
            className="w-56 max-w-full"
            text={`${format.memory(option.needed_bytes)} of ${format.memory(option.free_bytes)} free`}
          />
        )}
        <span className="min-w-0 flex-1 truncate text-left" title={option.reason}>
          {details(option)}
        </span>
      </span>
    </>
  );
  const look = cn(
    "flex flex-col gap-1 border-b px-3 py-2 last:border-b-0",
    selected && "bg-accent-soft [--faint:var(--muted)]",
  );
  if (!onSelect) return <div className={look}>{inside}</div>;
  return (
    <button
      type="button"
      aria-pressed={selected}
      onClick={() => onSelect(option)}
      className={cn(look, "text-left hover:bg-hover focus-visible:-outline-offset-2")}
    >
      {inside}
    </button>
  );
}

function details(option: PlanOption): string {
  const parts: string[] = [];
  if (option.download_bytes) parts.push(`downloads ${format.bytes(option.download_bytes)}`);
  if (option.load_s !== null) {
    const source = option.load_source === "measured" ? "" : " (estimate)";
    parts.push(`loads in ${format.duration(option.load_s)}${source}`);
  }
  if (!option.able || parts.length === 0) parts.push(option.reason);
  return parts.join(" · ");
}
