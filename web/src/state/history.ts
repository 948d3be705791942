/**
 * Ten minutes of every figure, at one value a second, outside React.
 *
 * All series share one ring of times; a series is a Float32Array of its own. A value that was not
 * known is NaN, and so is one second after a gap, so that charts draw a gap and no bridge.
 */
import { spread } from "./spread";
import { getTable, onMessage } from "./store";
import type { Figure, NodeRow, Series } from "./types";

/** Ten minutes: enough to see a load rise and fall, 15 MB for 800 GPUs and 1,000 workers. */
export const POINTS_MAX = 600;

/** Messages come once a second and at changes; a tick is not sooner than this after the last. */
const TICK_MIN_S = 0.75;

/** A pause longer than this is a gap. */
const GAP_S = 3;

type Values = Float32Array;

interface Line {
  values: Record<string, Values>;
  /** The tick at which its row was last there. */
  seenAt: number;
}

const times = new Float64Array(POINTS_MAX);
const lines = {
  colony: new Map<string, Line>(),
  node: new Map<string, Line>(),
  gpu: new Map<string, Line>(),
  worker: new Map<string, Line>(),
};
const listeners = new Set<() => void>();
let count = 0;
let lastAt = 0;

const GPU_FIGURES = ["util_pct", "used_mb", "temp_c", "power_w"] as const;
/** Where each of GPU_FIGURES stands in a row of `nodes.gpus`. */
const GPU_COLUMNS = [1, 2, 4, 5] as const;

/** What is known of a figure, oldest first. Cheap: a copy of at most 600 numbers. */
export function history(figure: Figure, id: string): Series {
  const dot = figure.indexOf(".");
  const kind = figure.slice(0, dot) as keyof typeof lines;
  const values = lines[kind].get(id)?.values[figure.slice(dot + 1)];
  const length = Math.min(count, POINTS_MAX);
  if (values === undefined || length === 0) {
    return { t: new Float64Array(0), v: new Float32Array(0), length: 0 };
  }
  return { t: unrolled(times, length), v: unrolled(values, length), length };
}

/** How many seconds of figures there are: what `history` would give, without making it. */
export function watchedS(): number {
  return Math.min(count, POINTS_MAX);
}

/** The newest value of a figure; NaN while unknown. */
export function latest(figure: Figure, id: string): number {
  const dot = figure.indexOf(".");
  const kind = figure.slice(0, dot) as keyof typeof lines;
  const values = lines[kind].get(id)?.values[figure.slice(dot + 1)];
  return values === undefined || count === 0 ? Number.NaN : (values[(count - 1) % POINTS_MAX] ?? Number.NaN);
}

/** Hear of each new second of figures. Returns how to stop. */
export function onTick(listener: () => void): () => void {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
}

function unrolled<Kind extends Float32Array | Float64Array>(ring: Kind, length: number): Kind {
  const start = count % POINTS_MAX;
  if (count <= POINTS_MAX) return ring.slice(0, length) as Kind;
  const out = ring.slice(0) as Kind;
  out.set(ring.subarray(start), 0);
  out.set(ring.subarray(0, start), POINTS_MAX - start);
  return out;
}

/** A message came: note the figures if a second has passed. Exported for tests. */
export function record(at: number): void {
  if (count > 0 && at - lastAt < TICK_MIN_S) {
    // A queen whose clock was set back: begin anew rather than stand still for hours.
    if (at > lastAt - GAP_S) return;
    forgetHistory();
  }
  if (count > 0 && at - lastAt > GAP_S) advance(lastAt + 1, true);
  advance(at, false);
  spread(listeners);
}

/** Forget all figures. */
export function forgetHistory(): void {
  count = 0;
  lastAt = 0;
  for (const kind of Object.values(lines)) kind.clear();
}

function advance(at: number, isGap: boolean): void {
  const slot = count % POINTS_MAX;
  times[slot] = at;
  lastAt = at;
  if (isGap) blank(slot);
  else {
    recordColony(slot);
    recordNodes(slot);
    recordWorkers(slot);
    blankMissing(slot);
  }
  count += 1;
}

function recordColony(slot: number): void {
  const row = getTable("colony").get("queen");
  if (row === undefined) return;
  const { values } = line(lines.colony, "queen", COLONY_FIGURES);
  put(values, "tokens_per_s", slot, row.tokens_per_s);
  put(values, "waiting", slot, row.waiting);
  put(values, "running", slot, row.running);
  put(values, "gpu_util_pct", slot, row.gpu_util_pct);
  put(values, "vram_used_mb", slot, row.vram_used_mb);
  put(values, "vram_total_mb", slot, row.vram_total_mb);
  put(values, "temp_max_c", slot, hottest());
}

/** The warmest GPU of all; null where none tells. */
function hottest(): number | null {
  let found: number | null = null;
  for (const row of getTable("nodes").values())
    for (const gpu of row.gpus) {
      const temp = gpu[4];
      if (temp !== null && (found === null || temp > found)) found = temp;
    }
  return found;
}

const COLONY_FIGURES = [
  "tokens_per_s",
  "waiting",
  "running",
  "gpu_util_pct",
  "vram_used_mb",
  "vram_total_mb",
  "temp_max_c",
];
const NODE_FIGURES = ["cpu_pct", "ram_used_mb"];
const WORKER_FIGURES = ["tokens_per_s", "slots_busy", "gpu_util_pct"];

function recordNodes(slot: number): void {
  for (const [hiveId, row] of getTable("nodes")) {
    const { values } = line(lines.node, hiveId, NODE_FIGURES);
    put(values, "cpu_pct", slot, row.cpu_pct);
    put(values, "ram_used_mb", slot, row.ram_used_mb);
    recordGpus(slot, hiveId, row);
  }
}

function recordGpus(slot: number, hiveId: string, row: NodeRow): void {
  for (const gpu of row.gpus) {
    const { values } = line(lines.gpu, `${hiveId}/${gpu[0]}`, GPU_FIGURES);
    for (const [at, name] of GPU_FIGURES.entries()) {
      const column = GPU_COLUMNS[at];
      if (column !== undefined) put(values, name, slot, gpu[column]);
    }
  }
}

function recordWorkers(slot: number): void {
  for (const [workerId, row] of getTable("loads")) {
    const { values } = line(lines.worker, workerId, WORKER_FIGURES);
    put(values, "tokens_per_s", slot, row.tokens_per_s);
    put(values, "slots_busy", slot, row.slots_busy);
    put(values, "gpu_util_pct", slot, row.gpu_util_pct);
  }
}

function line(kind: Map<string, Line>, id: string, names: readonly string[]): Line {
  let found = kind.get(id);
  if (found === undefined) {
    const values: Record<string, Values> = {};
    for (const name of names) values[name] = new Float32Array(POINTS_MAX).fill(Number.NaN);
    found = { values, seenAt: count };
    kind.set(id, found);
  }
  found.seenAt = count;
  return found;
}

function put(values: Record<string, Values>, name: string, slot: number, value: number | null): void {
  const ring = values[name];
  if (ring !== undefined) ring[slot] = value ?? Number.NaN;
}

/** Nothing was known at this second. */
function blank(slot: number): void {
  for (const kind of Object.values(lines))
    for (const found of kind.values())
      for (const ring of Object.values(found.values)) ring[slot] = Number.NaN;
}

/** Lines whose row is gone know nothing; after ten minutes they are forgotten. */
function blankMissing(slot: number): void {
  for (const kind of Object.values(lines))
    for (const [id, found] of kind) {
      if (count - found.seenAt > POINTS_MAX) kind.delete(id);
      else if (found.seenAt !== count)
        for (const ring of Object.values(found.values)) ring[slot] = Number.NaN;
    }
}

onMessage(record);
