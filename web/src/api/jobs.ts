/**
 * Operations: posted to `/v1/jobs`, followed on their stream, picked up again where it broke.
 *
 * A job lives on the server: leaving the page, or aborting `signal`, stops only the following of
 * it. `cancelJob` ends the job itself. The stream is resumed by `Last-Event-ID`, so that no event
 * is seen twice and none is missed, also across a restart of the queen.
 */
import { ABORTED, asProblem, Problem, readProblem, UNREACHABLE } from "./problems";
import { sessionFetch } from "./session";
import { sseMessages } from "./sse";

const DONE = "[DONE]";
const RETRY_FIRST_MS = 300; // a queen that restarts is back within a second or two
const RETRY_MAX_MS = 5_000;
const TRIES_IN_VAIN_MAX = 20; // about a minute and a half without any sign of life

/** One operation: a flat object tagged by its name. `hive_id` sends it on to that hive. */
export type Operation = { operation: string } & Record<string, unknown>;

/** One event of a job; `data` is its structured result, if it has one. */
export interface JobEvent {
  action: string;
  message: string;
  type: "narration" | "token" | "progress" | "data" | "error";
  job_id: string;
  seq: number;
  ts: number;
  actor: string;
  data?: unknown;
}

export interface JobEnd {
  jobId: string;
  /** The last event before the end. */
  last: JobEvent | null;
}

/**
 * Start a job; it runs from now on, whoever listens.
 *
 * @throws Problem it was refused, or the server does not answer.
 */
export async function startJob(operation: Operation): Promise<string> {
  try {
    const response = await sessionFetch("/v1/jobs", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(operation),
    });
    if (!response.ok) throw await readProblem(response);
    return ((await response.json()) as { job_id: string }).job_id;
  } catch (error) {
    throw asProblem(error);
  }
}

/** Start a job and follow it to its end. See `followJob`. */
export async function runJob(
  operation: Operation,
  onEvent?: (event: JobEvent) => void,
  signal?: AbortSignal,
): Promise<JobEnd> {
  return followJob(await startJob(operation), onEvent, signal);
}

/**
 * Follow a job from its first event (or after `after`) to its end.
 *
 * @throws Problem the job failed or was cancelled (`cancelled`), it is unknown, the following was
 *   aborted (`aborted`), or the server stayed away (`unreachable`).
 */
export async function followJob(
  jobId: string,
  onEvent?: (event: JobEvent) => void,
  signal?: AbortSignal,
  after = "",
): Promise<JobEnd> {
  const path = `/v1/jobs/${encodeURIComponent(jobId)}/stream`;
  let lastId = after;
  let last: JobEvent | null = null;
  let inVain = 0;
  for (;;) {
    try {
      const response = await sessionFetch(path, {
        headers: lastId === "" ? {} : { "Last-Event-ID": lastId },
        signal: signal ?? null,
      });
      if (response.status === 204) return { jobId, last }; // all of it was seen before
      if (!response.ok) throw await readProblem(response);
      if (response.body === null) return { jobId, last };
      for await (const message of sseMessages(response.body)) {
        inVain = 0;
        if (message.data === DONE) return ended(jobId, last);
        if (message.id !== "") lastId = message.id;
        last = JSON.parse(message.data) as JobEvent;
        onEvent?.(last);
      }
    } catch (error) {
      const problem = asProblem(error);
      const passing = problem.code === UNREACHABLE || problem.status >= 500;
      if (!passing || signal?.aborted === true) throw problem;
    }
    // The stream broke, or ended without its end: ask again from where it was.
    inVain += 1;
    if (inVain > TRIES_IN_VAIN_MAX) {
      throw new Problem({
        message: "The job's events stopped, and the server does not answer.",
        remedy: "The job may still run: look for it when the queen is back.",
        code: UNREACHABLE,
      });
    }
    await pause(Math.min(RETRY_FIRST_MS * 2 ** (inVain - 1), RETRY_MAX_MS), signal);
  }
}

/**
 * End a job on the server.
 *
 * @throws Problem it is unknown, or the server does not answer.
 */
export async function cancelJob(jobId: string): Promise<void> {
  try {
    const path = `/v1/jobs/${encodeURIComponent(jobId)}`;
    const response = await sessionFetch(path, { method: "DELETE" });
    if (!response.ok) throw await readProblem(response);
  } catch (error) {
    throw asProblem(error);
  }
}

function ended(jobId: string, last: JobEvent | null): JobEnd {
  if (last?.action === "cancelled") {
    throw new Problem({ message: last.message || "It was cancelled.", code: "cancelled" });
  }
  if (last?.type === "error" || last?.action === "error") throw failure(last);
  return { jobId, last };
}

function failure(event: JobEvent): Problem {
  const data = (event.data ?? {}) as { code?: string; remedy?: string; param?: string };
  return new Problem({
    message: event.message,
    code: data.code ?? "job_failed",
    remedy: data.remedy ?? null,
    param: data.param ?? null,
  });
}

function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(new Problem({ message: "It was stopped here.", code: ABORTED }));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
