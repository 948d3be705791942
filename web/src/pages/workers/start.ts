/**
 * Starting a worker: what was asked, what the hive tells of it, and what came of it.
 *
 * Held outside the page: the start goes on when the sheet is closed or another page is opened, and is
 * shown again when the sheet is.
 */
import { create } from "zustand";

import { asProblem, cancelJob, followJob, startJob, type JobEvent, type Problem } from "@/api";
import { toast } from "@/app";

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
  /** Unix seconds of this browser. */
  since: number;
  loadingSince: number | null;
  /** How long the load took before, if anybody knows. */
  expected_s: number | null;
  said: string[];
  download: Download | null;
  worker: Started | null;
  problem: Problem | null;
}

export const useStart = create<{ current: Start | null }>(() => ({ current: null }));

const SAID_MAX = 200;

/** Forget the last start, so that the form shows again. */
export function forgetStart(): void {
  useStart.setState({ current: null });
}

function change(edit: (old: Start) => Partial<Start>): void {
  useStart.setState(({ current }) => ({ current: current && { ...current, ...edit(current) } }));
}

/** Have the worker started; resolves when it serves or has failed. */
export async function startWorker(wish: Wish, expected_s: number | null): Promise<void> {
  useStart.setState({
    current: {
      wish,
      jobId: null,
      phase: "asking",
      since: now(),
      loadingSince: null,
      expected_s,
      said: [],
      download: null,
      worker: null,
      problem: null,
    },
  });
  try {
    const jobId = await startJob(operationOf(wish));
    change(() => ({ jobId }));
    await followJob(jobId, (event) => change((old) => heard(old, event)));
  } catch (error) {
    const problem = asProblem(error);
    change(() => ({ phase: "failed", problem }));
    if (problem.code !== "cancelled") toast.problem(error);
  }
}

/** Call the start off: the worker is not made; what was downloaded stays. */
export async function cancelStart(): Promise<void> {
  const jobId = useStart.getState().current?.jobId;
  if (jobId) await cancelJob(jobId).catch(toast.problem);
}

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
      return { said, phase: "loading", loadingSince: now() };
    case "worker_spawn_complete":
      return { said, phase: "ready", worker: event.data as Started };
    default:
      return { said };
  }
}

function now(): number {
  return Date.now() / 1000;
}

/** The operation for a wish; empty fields leave the choice to the hive. */
export function operationOf(wish: Wish): { operation: string } & Record<string, unknown> {
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
