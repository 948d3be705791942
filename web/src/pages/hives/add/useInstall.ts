/** The operation `hive_install`, followed: its steps, the fingerprint that it asks about, how it ended. */
import { useCallback, useEffect, useRef, useState } from "react";

import { ABORTED, asProblem, cancelJob, followJob, type JobEvent, type Problem, startJob } from "@/api";
import { toast } from "@/app";

export interface InstallWish {
  host: string;
  name: string;
  labels: string;
  unit: "auto" | "system" | "user" | "process";
  queenUrl: string;
}

interface Install {
  state: "idle" | "running" | "failed" | "done";
  steps: readonly string[];
  unknown: { host: string; fingerprint: string } | null;
  /** What a look alone would do. */
  commands: readonly string[] | null;
  /** The id of the hive that came of it. */
  joined: string | null;
  problem: Problem | null;
}

const IDLE: Install = {
  state: "idle",
  steps: [],
  unknown: null,
  commands: null,
  joined: null,
  problem: null,
};

export function useInstall() {
  const [install, setInstall] = useState<Install>(IDLE);
  const job = useRef<{ id: string | null; stop: AbortController } | null>(null);
  // Leaving the window leaves the job: it goes on at the queen.
  useEffect(() => () => job.current?.stop.abort(), []);

  const start = useCallback((wish: InstallWish, more: { fingerprint?: string; dryRun?: boolean } = {}) => {
    const mine = { id: null as string | null, stop: new AbortController() };
    job.current = mine;
    setInstall({ ...IDLE, state: "running" });
    const run = async () => {
      try {
        mine.id = await startJob(operationOf(wish, more));
        await followJob(mine.id, (event) => setInstall((old) => told(old, event)), mine.stop.signal);
        setInstall((old) => ({ ...old, state: "done" }));
      } catch (error) {
        const problem = asProblem(error);
        if (problem.code === ABORTED) return;
        setInstall((old) => ({ ...old, state: "failed", problem }));
      }
    };
    void run();
  }, []);
  const cancel = useCallback(() => {
    const id = job.current?.id;
    if (id) void cancelJob(id).catch(toast.problem); // that it ended is told by its stream
  }, []);
  const reset = useCallback(() => setInstall(IDLE), []);
  return { ...install, start, cancel, reset };
}

function operationOf(wish: InstallWish, { fingerprint, dryRun }: { fingerprint?: string; dryRun?: boolean }) {
  const labels = wish.labels.trim();
  return {
    operation: "hive_install",
    host: wish.host.trim(),
    name: wish.name.trim() || null,
    settings: labels ? { labels } : {},
    unit: wish.unit,
    queen_url: wish.queenUrl.trim() || null,
    fingerprint: fingerprint ?? null,
    dry_run: dryRun ?? false,
  };
}

function told(old: Install, event: JobEvent): Install {
  switch (event.action) {
    case "hive_install_unknown_host":
      return { ...old, unknown: event.data as Install["unknown"] };
    case "hive_install_plan":
      return { ...old, steps: [...old.steps, event.message], commands: event.data as string[] };
    case "hive_install_complete":
      return {
        ...old,
        steps: [...old.steps, event.message],
        joined: (event.data as { hive_id: string }).hive_id,
      };
    case "hive_install_start":
    case "hive_install_progress":
      return { ...old, steps: [...old.steps, event.message] };
    default:
      return old;
  }
}
