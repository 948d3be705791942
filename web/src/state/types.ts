/**
 * The rows of the state stream (`GET /v1/state/stream`), table by table.
 *
 * What they hold is said once, in `rbee/contracts/state.py`; these are its shapes as `make api`
 * writes them. Every row is complete: a delta replaces it whole. `null` means unknown, never 0.
 * Times (`…_at`, `since`) are Unix seconds of the queen's clock; compare them with `serverNow()`
 * of the stream, never with the browser's own clock.
 */
import type { components } from "../api/schema";

/** A struct as the queen sends it: what a sender may leave out is there all the same. */
type Whole<T> = T extends readonly [unknown, ...unknown[]]
  ? T
  : T extends readonly (infer Item)[]
    ? Whole<Item>[]
    : T extends object
      ? { [Key in keyof T]-?: Whole<T[Key]> }
      : T;

type Shape<Name extends keyof components["schemas"]> = Whole<components["schemas"][Name]>;

/** Table `colony`, its one row `queen`: the counts, and how the queen herself is. */
export type ColonyRow = Shape<"ColonyRow">;
/** Table `hives`, by hive id: what seldom changes. Live figures stand in `nodes`. */
export type HiveRow = Shape<"HiveStateRow">;
/** One thing that can hold a model. Figures in it are of the last look, not live: see NodeRow. */
export type DeviceFacts = HiveRow["devices"][number];
export type EngineFacts = HiveRow["engines"][number];
export type DeviceProblem = HiveRow["device_problems"][number];
export type HiveState = HiveRow["state"];
/** Table `nodes`, by hive id: a machine's figures of its last beat. */
export type NodeRow = Shape<"NodeRow">;
/** [id, util %, used MiB, total MiB, °C, W] — compact, since there are hundreds each second. */
export type GpuFigures = NodeRow["gpus"][number];
/** Table `workers`, by worker id: what seldom changes. Live figures stand in `loads`. */
export type WorkerRow = Shape<"WorkerStateRow">;
export type WorkerStatus = WorkerRow["status"];
/** Table `loads`, by worker id: a worker's figures of its hive's last beat. */
export type LoadRow = Shape<"LoadRow">;
/** Table `models`, by `hive_id/model_id`: a model as one hive has it. */
export type ModelRow = Shape<"ModelStateRow">;
/** Table `requests`, by job id: all that wait or run, and the last 200 that ended. */
export type RequestRow = Shape<"RequestRow">;
export type RequestState = RequestRow["state"];
/** Table `downloads`, by `hive_id/model`: models on their way, until they are here or given up. */
export type DownloadRow = Shape<"DownloadRow">;
export type DownloadState = DownloadRow["state"];
/** Table `joins`, by pairing code: hives that wait for approval (operators alone see them). */
export type JoinRow = Shape<"JoinRequestRow">;
/** Table `jobs`, by job id: the last 200 of the control plane, not inference (operators alone). */
export type JobRow = Shape<"JobStateRow">;
/** Table `events`, by a growing number: the last 1,000 things that happened. */
export type EventRow = Shape<"EventRow">;
export type EventLevel = EventRow["level"];

/** Every table and its row. */
export interface Tables {
  colony: ColonyRow;
  hives: HiveRow;
  nodes: NodeRow;
  workers: WorkerRow;
  loads: LoadRow;
  models: ModelRow;
  requests: RequestRow;
  downloads: DownloadRow;
  joins: JoinRow;
  jobs: JobRow;
  events: EventRow;
}

export type TableName = keyof Tables;

export const TABLE_NAMES: readonly TableName[] = [
  "colony",
  "hives",
  "nodes",
  "workers",
  "loads",
  "models",
  "requests",
  "downloads",
  "joins",
  "jobs",
  "events",
];

export interface Snapshot {
  type: "snapshot";
  at: number;
  tables: { [Name in TableName]?: Record<string, Tables[Name]> };
}

export interface Delta {
  type: "delta";
  at: number;
  tables: { [Name in TableName]?: { set?: Record<string, Tables[Name]>; del?: string[] } };
}

export type Message = Snapshot | Delta;

/**
 * `connecting`: not yet, or again. `live`: heard within 3 s. `lost`: tries again by itself, what is
 * shown is old. `signed_out`: the queen wants a key (the session's screen takes over).
 */
export type ConnectionState = "connecting" | "live" | "lost" | "signed_out";

export interface Connection {
  state: ConnectionState;
  /** Age of what is shown, in whole seconds; null before the first message. */
  ageS: number | null;
  /** When the last message came, by the browser's clock (ms since the epoch); null: never. */
  lastAt: number | null;
  /** Why it is lost, in words. */
  reason: string | null;
}

/** What the browser keeps ten minutes of, at 1 Hz. The id says of what. */
export type Figure =
  | "gpu.util_pct" // id: `hive_id/gpu_id`
  | "gpu.used_mb"
  | "gpu.temp_c"
  | "gpu.power_w"
  | "node.cpu_pct" // id: hive_id
  | "node.ram_used_mb"
  | "worker.tokens_per_s" // id: worker_id
  | "worker.slots_busy"
  | "worker.gpu_util_pct"
  | "colony.tokens_per_s" // id: "queen"
  | "colony.waiting"
  | "colony.running"
  | "colony.gpu_util_pct"
  | "colony.vram_used_mb"
  | "colony.vram_total_mb"
  | "colony.temp_max_c"; // the warmest GPU of all

/** The newest `length` values of a figure, oldest first. `v` holds NaN where it was unknown. */
export interface Series {
  /** Unix seconds. */
  t: Float64Array;
  v: Float32Array;
  length: number;
}
