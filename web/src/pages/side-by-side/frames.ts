/**
 * Which pages a browser can frame here, and why not where it cannot.
 *
 * Pure. The queen's policy lets frames of her own host in, on any port: a hive of this machine, and
 * workers' pages, which have a port of their own. A hive elsewhere speaks TLS of the colony's own
 * authority, which browsers do not know, or listens for nobody.
 */
import type { HiveRow, WorkerRow } from "@/state";

export interface Place {
  protocol: string;
  hostname: string;
}

export interface Shown {
  url: string | null;
  /** Why there is nothing to frame. */
  why: string | null;
}

const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);
const PAGES = /^(xllamacpp|llama-server)/; // llama.cpp's server brings a page
const RUNS = new Set(["ready", "busy", "draining"]);

export function hivePage(hive: HiveRow | undefined, at: Place): Shown {
  if (!hive) return { url: null, why: "No hive has joined yet." };
  if (hive.outbound_only || !hive.port)
    return { url: null, why: `${hive.hive_id} listens for nobody: it is reached over its own link alone.` };
  const near = hive.local && LOOPBACK.has(at.hostname);
  if (near || (hive.address === at.hostname && !hive.tls))
    return { url: `${at.protocol}//${at.hostname}:${hive.port}/`, why: null };
  const where = hive.hostname ?? hive.address ?? hive.hive_id;
  return {
    url: null,
    why: `Its own page opens on ${where} alone: rbee keeps a hive's port closed to browsers elsewhere.`,
  };
}

export function workerPage(worker: WorkerRow | undefined): Shown {
  if (!worker) return { url: null, why: "No worker runs. Start one, and its engine's own page shows here." };
  if (!PAGES.test(worker.engine))
    return { url: null, why: `The engine ${worker.engine} has no page of its own.` };
  if (!RUNS.has(worker.status))
    return { url: null, why: `The worker is ${worker.status}: its page shows when it is ready.` };
  return { url: `/workers/${encodeURIComponent(worker.worker_id)}/ui/`, why: null };
}
