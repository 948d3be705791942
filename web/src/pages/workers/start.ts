/**
 * Starting a worker: what was asked, what the hive tells of it, and what came of it.
 *
 * Held outside the page: the start goes on when the sheet is closed or another page is opened, and is
 * shown again when the sheet is.
 */
import { create } from "zustand";

import { asProblem, cancelJob, followJob, startJob } from "@/api";
import { toast } from "@/app";
import { heard, operationOf, type Start, type Wish } from "./wish";

export const useStart = create<{ current: Start | null }>(() => ({ current: null }));

/** Whether the sheet shows the start: then it says itself how it ended. */
let watched = false;

export function watchStart(shows: boolean): void {
  watched = shows;
}

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
    if (problem.code !== "cancelled" && !watched) toast.problem(error);
  }
}

/** Call the start off: the worker is not made; what was downloaded stays. */
export async function cancelStart(): Promise<void> {
  const jobId = useStart.getState().current?.jobId;
  if (jobId) await cancelJob(jobId).catch(toast.problem);
}
