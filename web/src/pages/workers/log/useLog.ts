/**
 * A worker's log, live: the last lines at once, then all of it, then each new line.
 *
 * It comes through the queen (`/v1/hives/ID/workers/ID/logs`), also from a hive that she reaches by its
 * link. A stream that breaks is asked for again from the last line's end, so that none is missed or
 * repeated. The component is woken at most once a frame, however fast the lines come.
 */
import { useEffect, useReducer, useRef } from "react";

import { asProblem, type Problem, readProblem, sessionFetch, sseMessages } from "@/api";
import { LogLines } from "./lines";

const FIRST_LINES = 1_000; // some screens: there in a blink also over a slow link
const ALL_LINES = 100_000; // what a hive gives at most
const AGAIN_MS = 1_000;
const OFFSET = "x-rbee-log-offset";

export interface Log {
  lines: LogLines;
  state: "loading" | "live" | "again" | "failed";
  problem: Problem | null;
  /** Grows with every change, for memos. */
  version: number;
}

/** The route of a worker's log. */
export function workerLogPath(hiveId: string, workerId: string): string {
  return `/v1/hives/${encodeURIComponent(hiveId)}/workers/${encodeURIComponent(workerId)}/logs`;
}

/** The log at `path`: a worker's, or a daemon's own (`/v1/logs`), which are served alike. */
export function useLog(path: string): Log {
  const log = useRef<Log>(undefined);
  log.current ??= { lines: new LogLines(), state: "loading", problem: null, version: 0 };
  const held = log.current;
  const [, wake] = useReducer((count: number) => count + 1, 0);

  useEffect(() => {
    const aborter = new AbortController();
    let frame = 0;
    const changed = () => {
      held.version += 1;
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        wake();
      });
    };
    void run(path, held, changed, aborter.signal);
    return () => {
      aborter.abort();
      cancelAnimationFrame(frame);
    };
  }, [path, held]);

  return held;
}

async function run(path: string, log: Log, changed: () => void, signal: AbortSignal): Promise<void> {
  const set = (state: Log["state"], problem: Problem | null = null) => {
    log.state = state;
    log.problem = problem;
    changed();
  };
  try {
    let offset = await fetchTail(path, FIRST_LINES, log.lines, signal);
    set("live");
    if (log.lines.length >= FIRST_LINES)
      void fetchTail(path, ALL_LINES, log.lines, signal).then(changed, () => 0);
    for (;;) {
      try {
        offset = await follow(path, offset, log.lines, changed, signal, (at) => {
          offset = at;
          if (log.state === "again") set("live");
        });
      } catch (error) {
        const problem = asProblem(error);
        if (signal.aborted) return;
        if (problem.status === 404) throw problem;
        set("again", problem);
      }
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      if (signal.aborted) return;
    }
  } catch (error) {
    if (!signal.aborted) set("failed", asProblem(error));
  }
}

/** Fetch the last `count` lines into `lines`; the byte at which they end. */
async function fetchTail(path: string, count: number, lines: LogLines, signal: AbortSignal): Promise<number> {
  const response = await sessionFetch(`${path}?lines=${count}`, { signal });
  if (!response.ok) throw await readProblem(response);
  const text = await response.text();
  const offset = Number(response.headers.get(OFFSET) ?? 0);
  lines.replaceOld(text === "" ? [] : text.replace(/\n$/, "").split("\n"), offset);
  return offset;
}

async function follow(
  path: string,
  from: number,
  lines: LogLines,
  changed: () => void,
  signal: AbortSignal,
  seen: (offset: number) => void,
): Promise<number> {
  const response = await sessionFetch(`${path}?follow=1&lines=0&offset=${from}`, {
    signal,
    headers: { accept: "text/event-stream" },
  });
  if (!response.ok || response.body === null) throw await readProblem(response);
  seen(from); // it is followed again, also where nothing new was said meanwhile
  let at = from;
  for await (const message of sseMessages(response.body)) {
    at = Number(message.id);
    seen(at);
    lines.append((JSON.parse(message.data) as { line: string }).line, at);
    changed();
  }
  return at;
}
