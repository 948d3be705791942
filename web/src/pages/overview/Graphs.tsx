/** The last ten minutes of the colony: work, queue, load, memory, heat. */
import { LiveChart, type LiveSeries } from "@/charts";
import { latest, useColony, useTable } from "@/state";
import { Card, format } from "@/ui";

const QUEEN = "queen";
const TOKENS: LiveSeries[] = [{ figure: "colony.tokens_per_s", id: QUEEN, name: "Tokens" }];
const QUEUE: LiveSeries[] = [
  { figure: "colony.running", id: QUEEN, name: "running" },
  { figure: "colony.waiting", id: QUEEN, name: "waiting" },
];
const LOAD: LiveSeries[] = [{ figure: "colony.gpu_util_pct", id: QUEEN, name: "Load" }];
const VRAM: LiveSeries[] = [{ figure: "colony.vram_used_mb", id: QUEEN, name: "VRAM", color: 4 }];

const HEAT: LiveSeries[] = [{ figure: "colony.temp_max_c", id: QUEEN, name: "Hottest", color: 5 }];
/** Where the scale of heat ends: no card should come near. */
const HEAT_MAX_C = 100;

interface GraphProps {
  title: string;
  now: string;
  series: readonly LiveSeries[];
  format: (value: number | null) => string;
  max?: number;
  atLeast?: number;
  binary?: boolean;
}

function Graph({ title, now, ...chart }: GraphProps) {
  return (
    <Card
      title={title}
      padded={false}
      actions={
        <span className="text-sm font-medium num" aria-hidden>
          {now}
        </span>
      }
    >
      <LiveChart label={`${title}, last ten minutes`} className="m-2" height={148} {...chart} />
      {chart.series.length > 1 ? (
        <ul className="-mt-1 flex gap-4 px-3.5 pb-2 text-2xs text-muted">
          {chart.series.map((each, at) => (
            <li key={each.name} className="flex items-center gap-1.5">
              <span
                className="h-0.5 w-3 rounded-full"
                style={{ background: `var(--series-${each.color ?? at + 1})` }}
                aria-hidden
              />
              {each.name}
            </li>
          ))}
        </ul>
      ) : null}
    </Card>
  );
}

const degrees = (value: number | null) => format.celsius(value);
const whole = (value: number | null) =>
  value === null ? format.UNKNOWN : value >= 10_000 ? format.short(value) : format.count(value);

/** `heat` adds the hottest GPU: where few devices are, their own rows tell it. */
export function Graphs({ heat = false }: { heat?: boolean }) {
  const colony = useColony();
  const hasGpus = (colony?.gpus ?? 0) > 0;
  const first = useTable("hives").keys().next().value;
  return (
    <>
      <Graph
        title="Tokens a second"
        now={whole(colony?.tokens_per_s ?? null)}
        series={TOKENS}
        format={whole}
        atLeast={10}
      />
      <Graph
        title="Requests"
        now={`${format.count(colony?.running)} running · ${format.count(colony?.waiting)} waiting`}
        series={QUEUE}
        format={whole}
        atLeast={4}
      />
      {hasGpus ? (
        <>
          <Graph
            title="GPU load"
            now={format.percent(colony?.gpu_util_pct)}
            series={LOAD}
            format={format.percent}
            max={100}
          />
          <Graph
            title="VRAM"
            now={`${format.memoryMb(colony?.vram_used_mb)} of ${format.memoryMb(colony?.vram_total_mb)}`}
            series={VRAM}
            format={format.memoryMb}
            binary
            {...(colony?.vram_total_mb ? { max: colony.vram_total_mb } : {})}
          />
          {heat ? (
            <Graph
              title="Hottest GPU"
              now={degrees(latest("colony.temp_max_c", QUEEN))}
              series={HEAT}
              format={degrees}
              max={HEAT_MAX_C}
            />
          ) : null}
        </>
      ) : first ? (
        <ProcessorGraphs hive={first} />
      ) : null}
    </>
  );
}

/** A colony without GPUs: the first machine's processor and memory. */
function ProcessorGraphs({ hive }: { hive: string }) {
  const node = useTable("nodes").get(hive);
  return (
    <>
      <Graph
        title={`Processor of ${hive}`}
        now={format.percent(node?.cpu_pct)}
        series={[{ figure: "node.cpu_pct", id: hive, name: "Load" }]}
        format={format.percent}
        max={100}
      />
      <Graph
        title={`Memory of ${hive}`}
        now={`${format.memoryMb(node?.ram_used_mb)} of ${format.memoryMb(node?.ram_total_mb)}`}
        series={[{ figure: "node.ram_used_mb", id: hive, name: "Memory", color: 4 }]}
        format={format.memoryMb}
        binary
        {...(node?.ram_total_mb ? { max: node.ram_total_mb } : {})}
      />
    </>
  );
}
