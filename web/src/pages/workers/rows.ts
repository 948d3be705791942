/**
 * One row of the workers' table: what seldom changes of a worker beside its live figures.
 *
 * Pure. `statusOf` is the word that people read: a serving worker with a request is busy, one whose
 * hive has been silent is silent, whatever its last beat said.
 */
import type { HiveRow, LoadRow, WorkerRow } from "@/state";

/** Its live figures are no part of it: a row that stays the same is not drawn each second (`LoadCell`). */
export interface Row {
  id: string;
  worker: WorkerRow;
  status: string;
  /** Its hive's beats stopped: the figures are old. */
  stale: boolean;
}

export function statusOf(worker: WorkerRow, load: LoadRow | undefined, hive: HiveRow | undefined): string {
  if (hive !== undefined && hive.state !== "fresh") return hive.state === "degraded" ? "silent" : "lost";
  if (worker.status === "ready" && isBusy(load)) return "busy";
  return worker.status;
}

function isBusy(load: LoadRow | undefined): boolean {
  return load !== undefined && (load.running > 0 || (load.slots_busy ?? 0) > 0);
}

/** The rows, models together; those of a hive that is silent keep their place, and what is as `before` is the same. */
export function rowsOf(
  workers: ReadonlyMap<string, WorkerRow>,
  loads: ReadonlyMap<string, LoadRow>,
  hives: ReadonlyMap<string, HiveRow>,
  before: ReadonlyMap<string, Row> = new Map(),
): Map<string, Row> {
  const rows = new Map<string, Row>();
  for (const [id, worker] of workers) {
    const hive = hives.get(worker.hive_id);
    const status = statusOf(worker, loads.get(id), hive);
    const stale = hive !== undefined && hive.state !== "fresh";
    const known = before.get(id);
    const isSame = known?.worker === worker && known.status === status && known.stale === stale;
    rows.set(id, isSame ? known : { id, worker, status, stale });
  }
  return rows;
}

/** Memory in MiB: of its devices, or of the machine where it runs on the CPU. */
export function memoryMbOf(load: LoadRow | undefined): number | null {
  return load?.vram_mb ?? load?.rss_mb ?? null;
}

/** The states to filter by, in the order of a life. */
export const STATES = ["starting", "ready", "busy", "draining", "stopping", "error", "silent", "lost"];

/** How a request gets there, in words. */
export const ROUTES: Record<string, { label: string; about: string }> = {
  local: { label: "local", about: "On the queen's own machine, over loopback." },
  direct: { label: "direct", about: "Straight to the worker, with TLS that ends in it." },
  plain: { label: "plain", about: "Straight to the worker without TLS, on a network declared trusted." },
  tunnel: { label: "tunnel", about: "Through its hive's link: slower, and it works behind NAT." },
};

/** "GPU-0,GPU-1" as "GPU 0+1", "CPU-0" as "CPU": what tells them apart, and no more. */
export function shortPlace(device: string): string {
  const names = device.split(",");
  const kind = names[0]?.replace(/-\d+$/, "") ?? device;
  if (kind === "CPU") return "CPU";
  const alike = names.every((name) => name.startsWith(`${kind}-`));
  return alike ? `${kind} ${names.map((name) => name.slice(kind.length + 1)).join("+")}` : names.join(" + ");
}
