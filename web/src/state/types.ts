/**
 * The rows of the state stream (`GET /v1/state/stream`), table by table.
 *
 * Every row is complete: a delta replaces it whole. `null` means unknown, never 0. Times (`…_at`,
 * `since`) are Unix seconds of the queen's clock; compare them with `serverNow()` of the stream,
 * never with the browser's own clock. The same shapes stand in `rbee/contracts/state.py`.
 */

export type HiveState = "fresh" | "degraded" | "down" | "gone";
export type DeviceType = "cpu" | "cuda" | "rocm" | "metal" | "vulkan";
export type WorkerStatus = "starting" | "ready" | "busy" | "draining" | "stopping" | "stopped" | "error";

/** One thing that can hold a model. Figures in it are of the last look, not live: see NodeRow. */
export interface DeviceFacts {
  id: string;
  name: string;
  device_type: DeviceType;
  vram_gb: number | null;
  memory_mb: number | null;
  compute_capability: string | null;
  driver: string | null;
  vendor: string | null;
  uuid: string | null;
  index: number | null;
  unified_memory: boolean | null;
  memory_usable_mb: number | null;
  instruction_sets: string[] | null;
  /** Why a device that is there cannot be used. */
  reason: string | null;
}

export interface EngineFacts {
  name: string;
  usable: boolean;
  version: string | null;
  reason: string | null;
  device_types: DeviceType[];
}

export interface DeviceProblem {
  vendor: string;
  reason: string;
}

/** Table `colony`, its one row `queen`: the counts, and how the queen herself is. */
export interface ColonyRow {
  version: string;
  boot: string;
  hostname: string;
  started_at: number;
  hives: number;
  hives_available: number;
  workers: number;
  workers_available: number;
  gpus: number;
  models: number;
  waiting: number;
  running: number;
  /** Sum over the workers that tell it; null while none does. */
  tokens_per_s: number | null;
  requests_total: number;
  requests_failed_total: number;
  gpu_util_pct: number | null;
  vram_used_mb: number | null;
  vram_total_mb: number | null;
  /** Hives that wait for an operator; null for who may not know. */
  joins_waiting: number | null;
  /** The queen process itself. */
  cpu_pct: number | null;
  rss_mb: number | null;
  streams: number;
}

/** Table `hives`, by hive id: what seldom changes. Live figures stand in `nodes`. */
export interface HiveRow {
  hive_id: string;
  url: string;
  state: HiveState;
  local: boolean;
  hostname: string | null;
  version: string | null;
  address: string | null;
  port: number | null;
  health_status: "healthy" | "degraded" | null;
  operational_status: "ready" | "starting" | "stopping" | null;
  labels: string[];
  outbound_only: boolean;
  tls: boolean;
  /** How the queen speaks to it: her own machine, over its link, or at its address. */
  route: "local" | "link" | "direct";
  /** How it belongs to the colony; null for who may not know. */
  membership: "certificate" | "revoked" | "open" | null;
  /** When its certificate ends. */
  expires_at: number | null;
  cpu_cores: number | null;
  total_ram_gb: number | null;
  devices: DeviceFacts[];
  device_problems: DeviceProblem[];
  engines: EngineFacts[];
  models: number;
  workers: number;
  joined_at: number;
}

/** [id, util %, used MiB, total MiB, °C, W] — compact, since there are hundreds each second. */
export type GpuFigures = [
  id: string,
  util_pct: number | null,
  used_mb: number | null,
  total_mb: number | null,
  temp_c: number | null,
  power_w: number | null,
];

/** Table `nodes`, by hive id: a machine's figures of its last beat. */
export interface NodeRow {
  /** When the last beat came; null: none yet. Not told anew while nothing else changes. */
  beat_at: number | null;
  cpu_pct: number | null;
  ram_used_mb: number | null;
  ram_total_mb: number | null;
  disk_free_mb: number | null;
  gpus: GpuFigures[];
}

/** Table `workers`, by worker id: what seldom changes. Live figures stand in `loads`. */
export interface WorkerRow {
  worker_id: string;
  hive_id: string;
  model: string;
  engine: string;
  task: "generate" | "embeddings" | "rerank";
  device: string;
  status: WorkerStatus;
  /** Whether the queen sends it requests now. */
  serving: boolean;
  port: number;
  pid: number | null;
  reason: string | null;
  route: "local" | "direct" | "plain" | "tunnel" | null;
  manual: boolean;
  started_at: number | null;
  generation: number;
  restarts: number;
  context_length: number | null;
  slots_total: number | null;
  total_vram_mb: number | null;
  load_s: number | null;
}

/** Table `loads`, by worker id: a worker's figures of its hive's last beat. */
export interface LoadRow {
  slots_busy: number | null;
  queued: number | null;
  /** Requests that this queen has with it now: exact, unlike `slots_busy`. */
  running: number;
  tokens_per_s: number | null;
  cpu_pct: number | null;
  rss_mb: number | null;
  vram_mb: number | null;
  gpu_util_pct: number | null;
  requests_total: number | null;
  /** Since when it has done nothing; null: it works, loads, or does not tell. */
  idle_since: number | null;
}

/** Table `models`, by `hive_id/model_id`: a model as one hive has it. */
export interface ModelRow {
  hive_id: string;
  model_id: string;
  name: string;
  size_bytes: number | null;
  status: string;
  quantization: string | null;
  architecture: string | null;
  context_length: number | null;
  loaded: boolean;
  pinned: boolean;
  aliases: string[];
  embedding: boolean | null;
  rerank: boolean | null;
  chat_template: boolean | null;
  tools: boolean | null;
  sha256: string | null;
  source: string | null;
  reason: string | null;
  last_used_at: number | null;
  load_s: number | null;
  memory_bytes: number | null;
}

export type RequestState = "waiting" | "running" | "completed" | "failed" | "cancelled";

/** Table `requests`, by job id: all that wait or run, and the last 200 that ended. */
export interface RequestRow {
  job_id: string;
  model: string;
  state: RequestState;
  /** Its place in the queue from 1; null once it has a worker. */
  position: number | null;
  eta_s: number | null;
  since: number;
  started_at: number | null;
  ended_at: number | null;
  /** The name of the key that asks. */
  client: string | null;
  priority: number | null;
  worker_id: string | null;
  hive_id: string | null;
  /** Why it waits, why this worker, or how it ended. */
  reason: string | null;
  /** The path or the operation that it came in by. */
  door: string | null;
}

export type DownloadState = "queued" | "running" | "paused" | "failed";

/** Table `downloads`, by `hive_id/model`: models on their way, until they are here or given up. */
export interface DownloadRow {
  hive_id: string;
  /** The id that the model will have. */
  model: string;
  /** What it was asked for by. */
  name: string;
  state: DownloadState;
  phase: "download" | "verify" | "install";
  bytes: number;
  total: number | null;
  rate_bytes_s: number | null;
  eta_s: number | null;
  /** From 1 among those that wait for their turn on this hive. */
  position: number | null;
  source: string | null;
  from_hive: string | null;
  /** The last thing that was said of it; of a paused or failed one why. */
  reason: string | null;
  remedy: string | null;
  since: number;
}

/** Table `joins`, by pairing code: hives that wait for approval (operators alone see them). */
export interface JoinRow {
  hive_id: string;
  code: string;
  address: string;
  hostname: string;
  version: string;
  asked_at: number;
  seen_at: number;
  replaces: boolean;
}

export type JobState = "queued" | "running" | "completed" | "failed" | "cancelled";

/** Table `jobs`, by job id: the last 200 of the control plane, not inference (operators alone). */
export interface JobRow {
  job_id: string;
  operation: string;
  status: JobState;
  created_at: number;
  started_at: number | null;
  ended_at: number | null;
  /** The last thing that it said. */
  message: string | null;
  error: string | null;
  hive_id: string | null;
  model: string | null;
  owner: string | null;
}

export type EventLevel = "info" | "warning" | "error";

/** Table `events`, by a growing number: the last 1,000 things that happened. */
export interface EventRow {
  seq: number;
  at: number;
  level: EventLevel;
  /** `hive_joined`, `worker_crashed`, …: `subject_kind` before the underscore. */
  kind: string;
  /** The id of the hive, worker, model, request or key. */
  subject: string;
  message: string;
  hive_id: string | null;
}

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
