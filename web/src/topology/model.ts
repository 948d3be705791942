/**
 * The colony as a picture needs it: queen, hives, workers, and how much flows to each.
 *
 * Pure: rows of the state stream in, plain values out. Unknown stays null. A hive's honey level is
 * the load of its GPUs (of its CPU where it has none): what its hexagon fills up with.
 */
import type { ColonyRow, HiveRow, LoadRow, NodeRow, WorkerRow } from "@/state";
import { format } from "@/ui";

/** How a thing is, in the four words that the picture has a colour for. */
export type Health = "ok" | "warn" | "bad" | "new";

export interface WorkerSpot {
  id: string;
  model: string;
  /** The model's name without its owner, for small places. */
  short: string;
  status: WorkerRow["status"];
  health: Health;
  busy: number;
  slots: number | null;
  tokensPerS: number | null;
  route: WorkerRow["route"];
  reason: string | null;
}

export interface HiveSpot {
  id: string;
  state: HiveRow["state"];
  health: Health;
  /** Why its health is not ok, in a few words. */
  trouble: string | null;
  stale: boolean;
  local: boolean;
  route: HiveRow["route"];
  outboundOnly: boolean;
  gpus: number;
  /** 0 to 1: load of its GPUs, or of its CPU; null: not told. */
  honey: number | null;
  tokensPerS: number | null;
  busy: number;
  workers: WorkerSpot[];
}

export interface Picture {
  queen: { tokensPerS: number | null; waiting: number; running: number; version: string | null };
  hives: HiveSpot[];
  workers: number;
}

export interface Rows {
  colony: ColonyRow | undefined;
  hives: ReadonlyMap<string, HiveRow>;
  nodes: ReadonlyMap<string, NodeRow>;
  workers: ReadonlyMap<string, WorkerRow>;
  loads: ReadonlyMap<string, LoadRow>;
}

const byName = new Intl.Collator("en", { numeric: true });

/** The whole picture; `stale` greys everything out (the stream is lost). */
export function pictureOf(rows: Rows, stale: boolean): Picture {
  const version = rows.colony?.version ?? null;
  const byHive = new Map<string, WorkerSpot[]>();
  for (const row of rows.workers.values()) {
    const spots = byHive.get(row.hive_id);
    const spot = workerSpot(row, rows.loads.get(row.worker_id));
    if (spots) spots.push(spot);
    else byHive.set(row.hive_id, [spot]);
  }
  const hives = [...rows.hives.values()]
    .sort((a, b) => byName.compare(a.hive_id, b.hive_id))
    .map((row) => hiveSpot(row, rows.nodes.get(row.hive_id), byHive.get(row.hive_id) ?? [], version, stale));
  return {
    queen: {
      tokensPerS: rows.colony?.tokens_per_s ?? null,
      waiting: rows.colony?.waiting ?? 0,
      running: rows.colony?.running ?? 0,
      version,
    },
    hives,
    workers: rows.workers.size,
  };
}

function workerSpot(row: WorkerRow, load: LoadRow | undefined): WorkerSpot {
  return {
    id: row.worker_id,
    model: row.model,
    short: shortName(row.model),
    status: row.status,
    health: workerHealth(row),
    busy: Math.max(load?.running ?? 0, load?.slots_busy ?? 0),
    slots: row.slots_total,
    tokensPerS: load?.tokens_per_s ?? null,
    route: row.route,
    reason: row.reason,
  };
}

function workerHealth(row: WorkerRow): Health {
  if (row.status === "error") return "bad";
  if (row.status === "starting") return "new";
  return row.status === "ready" || row.status === "busy" ? "ok" : "warn";
}

function hiveSpot(
  row: HiveRow,
  node: NodeRow | undefined,
  workers: WorkerSpot[],
  queenVersion: string | null,
  stale: boolean,
): HiveSpot {
  workers.sort((a, b) => byName.compare(a.model, b.model) || byName.compare(a.id, b.id));
  const told = workers.filter((worker) => worker.tokensPerS !== null);
  const [health, trouble] = hiveHealth(row, workers, queenVersion);
  return {
    id: row.hive_id,
    state: row.state,
    health,
    trouble,
    stale: stale || row.state !== "fresh",
    local: row.local,
    route: row.route,
    outboundOnly: row.outbound_only,
    gpus: row.devices.filter((device) => device.device_type !== "cpu").length,
    honey: honeyOf(node),
    tokensPerS: told.length > 0 ? told.reduce((sum, worker) => sum + (worker.tokensPerS ?? 0), 0) : null,
    busy: workers.reduce((sum, worker) => sum + worker.busy, 0),
    workers,
  };
}

/** What is wrong with a hive, the gravest first; null where nothing is. */
export function hiveHealth(
  row: HiveRow,
  workers: readonly { health: Health; short: string }[],
  queenVersion: string | null,
): [Health, string | null] {
  if (row.state === "down" || row.state === "gone") return ["bad", "no beat"];
  const failed = workers.find((worker) => worker.health === "bad");
  if (row.state === "degraded") return ["warn", "beats come late"];
  if (failed) return ["bad", `${failed.short} failed`];
  if (row.operational_status === "stopping") return ["warn", "stopping"];
  if (row.operational_status === "starting") return ["new", "starting"];
  const broken = row.devices.find((device) => device.reason !== null && device.device_type !== "cpu");
  if (broken) return ["warn", `${broken.name} cannot be used`];
  const blind = row.device_problems[0];
  if (blind) return ["warn", `${blind.vendor}: ${blind.reason}`];
  if (row.version !== null && queenVersion !== null && row.version !== queenVersion)
    return ["warn", `version ${row.version}, the queen has ${queenVersion}`];
  if (row.health_status === "degraded") return ["warn", "it says it is degraded"];
  return ["ok", null];
}

/** The mean load of the GPUs that tell it; without GPUs the CPU's. */
export function honeyOf(node: NodeRow | undefined): number | null {
  if (!node) return null;
  const told = node.gpus.map((gpu) => gpu[1]).filter((util) => util !== null);
  if (told.length > 0) return clamp(told.reduce((sum, util) => sum + util, 0) / told.length / 100);
  if (node.gpus.length > 0 || node.cpu_pct === null) return null;
  return clamp(node.cpu_pct / 100);
}

function clamp(value: number): number {
  return Math.min(1, Math.max(0, value));
}

/** "org/Model-7B-GGUF:Q4_K_M" as "Model-7B". */
export function shortName(model: string): string {
  const name = model.slice(model.lastIndexOf("/") + 1);
  return name
    .replace(/:.*$/, "")
    .replace(/\.gguf$/i, "")
    .replace(/-GGUF$/i, "");
}

/** How strongly something flows, in four steps: an animation that changed every second would jump. */
export function flowOf(tokensPerS: number | null): 0 | 1 | 2 | 3 {
  if (tokensPerS === null || tokensPerS <= 0.05) return 0;
  return tokensPerS < 30 ? 1 : tokensPerS < 200 ? 2 : 3;
}

/** What the queen's colony gives now: nothing is "idle" where nothing runs, and unknown else. */
export function queenRate(picture: Picture): string {
  const { tokensPerS, running } = picture.queen;
  if (!tokensPerS && running === 0) return "idle";
  return format.tokensPerS(tokensPerS);
}

/** The picture in words, for those who do not see it. */
export function sentenceOf(picture: Picture): string {
  const bad = picture.hives.filter((hive) => hive.health === "bad");
  const warn = picture.hives.filter((hive) => hive.health === "warn");
  const parts = [
    `${picture.hives.length} ${picture.hives.length === 1 ? "hive" : "hives"}`,
    `${picture.workers} ${picture.workers === 1 ? "worker" : "workers"}`,
    picture.queen.tokensPerS === null ? "" : `${Math.round(picture.queen.tokensPerS)} tokens a second`,
    bad.length > 0 ? `in trouble: ${named(bad)}` : "",
    warn.length > 0 ? `with a warning: ${named(warn)}` : "",
  ];
  return `The colony: ${parts.filter(Boolean).join(", ")}.`;
}

const NAMED_MAX = 5;

function named(hives: readonly HiveSpot[]): string {
  const names = hives.slice(0, NAMED_MAX).map((hive) => hive.id);
  const more = hives.length - names.length;
  return names.join(", ") + (more > 0 ? ` and ${more} more` : "");
}
