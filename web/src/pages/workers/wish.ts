/**
 * What starting a worker means: the wish as an operation, and what each event of it changes.
 *
 * Pure; `start` keeps the state and talks to the queen.
 */
import type { JobEvent, Operation, Problem } from "@/api";

export interface Wish {
  model: string;
  hive: string;
  device: string;
  engine: string;
  context: string;
  slots: string;
  gpuLayers: string;
}

export interface Download {
  bytes: number;
  total: number | null;
  rate_bytes_s: number | null;
  eta_s: number | null;
  phase: string;
}

export interface Started {
  worker_id: string;
  model: string;
  device: string;
  engine: string;
  port: number;
}

export interface Start {
  wish: Wish;
  jobId: string | null;
  phase: "asking" | "downloading" | "loading" | "ready" | "failed";
  /** Unix seconds of the hive's clock. */
  loadingSince: number | null;
  /** How long the load took before, if anybody knows. */
  expected_s: number | null;
  said: string[];
  download: Download | null;
  worker: Started | null;
  problem: Problem | null;
}

const SAID_MAX = 200;

/** What an event changes. */
export function heard(old: Start, event: JobEvent): Partial<Start> {
  const said =
    event.type === "progress" && event.action === "model_download_progress"
      ? old.said
      : [...old.said, event.message].slice(-SAID_MAX);
  switch (event.action) {
    case "model_download_start":
      return { said, phase: "downloading" };
    case "model_download_progress":
      return event.data ? { said, phase: "downloading", download: event.data as Download } : { said };
    case "worker_spawn_health_check":
      return { said, phase: "loading", loadingSince: event.ts };
    case "worker_spawn_complete":
      return { said, phase: "ready", worker: event.data as Started };
    default:
      return { said };
  }
}

/** The operation for a wish; empty fields leave the choice to the hive. */
export function operationOf(wish: Wish): Operation {
  const number = (text: string) => (text.trim() === "" ? null : Number(text));
  return {
    operation: "worker_spawn",
    model: wish.model.trim(),
    hive_id: wish.hive,
    worker: wish.engine || "auto",
    device: wish.device === "" ? null : wish.device.includes(",") ? indices(wish.device) : wish.device,
    context_length: number(wish.context),
    slots: number(wish.slots),
    gpu_layers: number(wish.gpuLayers),
  };
}

/** "GPU-0,GPU-1" as the list of numbers that the operation takes. */
function indices(devices: string): number[] {
  return devices.split(",").map((name) => Number(name.replace(/\D+/g, "")));
}
