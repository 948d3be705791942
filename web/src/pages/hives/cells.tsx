/**
 * The cells of the list that change each second. Each listens to its own row alone, so that a beat
 * of one hive re-renders a few cells and not the list.
 */
import { House } from "lucide-react";

import { honeyOf, HoneyHex, type Health } from "@/topology";
import { getRow, serverNow, useRow, useStale, useTick, type HiveRow } from "@/state";
import { cn, format, Meter, StatusDot, Time } from "@/ui";

import { memoryPair } from "./groups";
import { stateOf, troublesOf } from "./troubles";
import { workersOf } from "./workersOf";

const HEALTH = { bad: "bad", warn: "warn", info: "new", ok: "ok", neutral: "ok", accent: "ok" } as const;

export function NameCell({ hive }: { hive: HiveRow }) {
  const node = useRow("nodes", hive.hive_id);
  const state = useHiveState(hive);
  const worst = state.troubles.find((each) => each.tone !== "info");
  return (
    <span className="flex min-w-0 items-center gap-2.5">
      <HoneyHex level={honeyOf(node)} health={HEALTH[state.tone] satisfies Health} size={24} />
      <span className="min-w-0">
        <span className="block truncate font-medium">{hive.hive_id}</span>
        {worst ? (
          <span
            className={cn(
              "block text-xs font-normal sm:hidden",
              worst.tone === "bad" ? "text-bad" : "text-warn",
            )}
          >
            {worst.title}
          </span>
        ) : null}
      </span>
      {hive.local ? (
        <span className="shrink-0 text-faint" title="On the queen’s machine">
          <House className="size-3.5" aria-hidden />
          <span className="sr-only">on the queen&rsquo;s machine</span>
        </span>
      ) : null}
    </span>
  );
}

/** Its state, with the troubles that the list can know of. */
export function useHiveState(hive: HiveRow) {
  const queen = useRow("colony", "queen");
  const node = useRow("nodes", hive.hive_id);
  const found = troublesOf(hive, {
    beatAt: node?.beat_at ?? null,
    diskFreeMb: node?.disk_free_mb ?? null,
    queenVersion: queen?.version ?? null,
    now: serverNow(),
    workers: workersOf(hive.hive_id),
  });
  return { ...stateOf(hive, found), troubles: found };
}

export function StateCell({ hive }: { hive: HiveRow }) {
  const state = useHiveState(hive);
  const why = state.troubles.find((each) => each.tone !== "info");
  return (
    <span title={why?.reason ?? why?.title} className="block min-w-0 truncate">
      <StatusDot state={state.word} tone={state.tone} label={why?.short ?? state.word} />
    </span>
  );
}

/** One bar for each GPU, filled as far as it works. */
export function GpusCell({ hive }: { hive: HiveRow }) {
  const node = useRow("nodes", hive.hive_id);
  const stale = useStale("nodes", hive.hive_id);
  const gpus = hive.devices.filter((device) => device.device_type !== "cpu");
  if (gpus.length === 0) return <span className="text-muted">CPU only</span>;
  const figures = new Map(node?.gpus.map((gpu) => [gpu[0], gpu]));
  const told = node?.gpus.map((gpu) => gpu[1]).filter((util) => util !== null) ?? [];
  const mean = told.length > 0 ? told.reduce((sum, util) => sum + util, 0) / told.length : null;
  return (
    <span className={cn("flex items-center gap-2", stale && "stale")}>
      <span className="flex h-5 items-end gap-[2px]" aria-hidden>
        {gpus.slice(0, BARS_MAX).map((gpu) => {
          const util = figures.get(gpu.id)?.[1] ?? null;
          return (
            <span key={gpu.id} className="flex h-5 w-[7px] items-end overflow-hidden rounded-[2px] bg-raised">
              {util === null ? null : (
                <span className="w-full bg-accent" style={{ height: `${Math.max(4, util)}%` }} />
              )}
            </span>
          );
        })}
      </span>
      <span className="text-xs text-muted num">
        {gpus.length > 1 ? `${gpus.length} · ` : ""}
        {format.percent(mean)}
      </span>
    </span>
  );
}

const BARS_MAX = 16;

/** Video memory of all its GPUs together. */
export function VramCell({ hive }: { hive: HiveRow }) {
  const node = useRow("nodes", hive.hive_id);
  const stale = useStale("nodes", hive.hive_id);
  const { used, total } = vramOf(hive.hive_id, node);
  if (total === null) return <span className="text-faint">{format.UNKNOWN}</span>;
  return (
    <Meter
      used={used}
      total={total}
      label={`Video memory of ${hive.hive_id}`}
      text={memoryPair(used, total)}
      alarm={false}
      className={stale ? "stale" : ""}
    />
  );
}

export function vramOf(hiveId: string, node = getRow("nodes", hiveId)) {
  const gpus = node?.gpus ?? [];
  const totals = gpus.map((gpu) => gpu[3]).filter((mb) => mb !== null);
  const useds = gpus.map((gpu) => gpu[2]).filter((mb) => mb !== null);
  const sum = (list: number[]) => (list.length > 0 ? list.reduce((a, b) => a + b, 0) : null);
  return { used: sum(useds), total: sum(totals) };
}

export function CpuCell({ hive }: { hive: HiveRow }) {
  const node = useRow("nodes", hive.hive_id);
  const stale = useStale("nodes", hive.hive_id);
  return <span className={cn("num", stale && "stale")}>{format.percent(node?.cpu_pct)}</span>;
}

export function RamCell({ hive }: { hive: HiveRow }) {
  const node = useRow("nodes", hive.hive_id);
  const stale = useStale("nodes", hive.hive_id);
  const share =
    node?.ram_used_mb != null && node.ram_total_mb ? (100 * node.ram_used_mb) / node.ram_total_mb : null;
  return (
    <span
      className={cn("num", stale && "stale")}
      title={`${format.memoryMb(node?.ram_used_mb)} of ${format.memoryMb(node?.ram_total_mb)}`}
    >
      {format.percent(share)}
    </span>
  );
}

export function RateCell({ hive }: { hive: HiveRow }) {
  useTick();
  return <span className="num">{format.tokensPerS(rateOf(hive.hive_id))}</span>;
}

/** Tokens a second of all its workers; null where none tells. */
export function rateOf(hiveId: string): number | null {
  let sum: number | null = null;
  for (const worker of workersOf(hiveId)) {
    const rate = getRow("loads", worker.worker_id)?.tokens_per_s ?? null;
    if (rate !== null) sum = (sum ?? 0) + rate;
  }
  return sum;
}

export function BeatCell({ hive }: { hive: HiveRow }) {
  const node = useRow("nodes", hive.hive_id);
  const stale = useStale("nodes", hive.hive_id);
  // A row is told anew only when it changes: what is fresh has beaten within a second or two.
  if (!stale) return <span className="text-muted">now</span>;
  return <Time at={node?.beat_at} />;
}
