/**
 * What is done to workers from here: stop and restart, one or many, with words about what came of it.
 *
 * The rule it keeps: an action is a job of its hive, so it goes on when the page is left; `useBusy` says
 * which workers have one under way, so that no button is pressed twice.
 */
import { create } from "zustand";

import { runJob, type Operation } from "@/api";
import { confirm, toast } from "@/app";
import { getRow } from "@/state";
import type { Row } from "./rows";

interface Busy {
  /** What is being done, by worker id: "Stopping", "Restarting". */
  doing: ReadonlyMap<string, string>;
}
const useDoing = create<Busy>(() => ({ doing: new Map() }));

/** What is being done to a worker now; undefined: nothing. */
export function useBusy(id: string): string | undefined {
  return useDoing((state) => state.doing.get(id));
}

function mark(id: string, word: string | null): void {
  useDoing.setState((state) => {
    const doing = new Map(state.doing);
    if (word === null) doing.delete(id);
    else doing.set(id, word);
    return { doing };
  });
}

async function act(rows: readonly Row[], word: string, operation: (row: Row) => Operation, done: string) {
  const one = rows.length === 1 ? rows[0] : undefined;
  const results = await Promise.all(
    rows.map(async (row) => {
      mark(row.id, word);
      try {
        await runJob(operation(row));
        return true;
      } catch (error) {
        toast.problem(error);
        return false;
      } finally {
        mark(row.id, null);
      }
    }),
  );
  const well = results.filter(Boolean).length;
  if (well > 0) toast.ok(one ? `${one.worker.model} ${done}.` : `${well} of ${rows.length} workers ${done}.`);
}

function named(rows: readonly Row[]): string {
  const one = rows.length === 1 ? rows[0] : undefined;
  return one ? `${one.worker.model} on ${one.worker.hive_id}` : `${rows.length} workers`;
}

/** Ask, then stop them: running requests end first, or not with `force`. */
export async function stopWorkers(rows: readonly Row[], force = false): Promise<void> {
  if (rows.length === 0) return;
  const running = rows.reduce((sum, row) => sum + (getRow("loads", row.id)?.running ?? 0), 0);
  const what = force
    ? "The process ends at once; answers that it is giving are continued elsewhere or fail."
    : running > 0
      ? `${running} running ${running === 1 ? "request ends" : "requests end"} first. No new ones are sent there.`
      : "It takes no new requests from now on. The model's file stays on the disk.";
  const action = rows.length === 1 ? "Stop worker" : `Stop ${rows.length} workers`;
  if (!(await confirm({ title: `Stop ${named(rows)}?`, text: what, action }))) return;
  await act(rows, "Stopping", (row) => ofWorker("worker_process_delete", row, force), "stopped");
}

/** Ask where it disturbs somebody, then restart them in place. */
export async function restartWorkers(rows: readonly Row[]): Promise<void> {
  if (rows.length === 0) return;
  const busy = rows.some((row) => row.status === "busy");
  if (busy || rows.length > 1) {
    const text = "Running requests end first; each worker then loads its model again under the same id.";
    const action = rows.length === 1 ? "Restart worker" : `Restart ${rows.length} workers`;
    if (!(await confirm({ title: `Restart ${named(rows)}?`, text, action, danger: false }))) return;
  }
  await act(rows, "Restarting", (row) => ofWorker("worker_restart", row, false), "restarted");
}

function ofWorker(operation: string, row: Row, force: boolean): Operation {
  return { operation, worker_id: row.id, hive_id: row.worker.hive_id, force };
}

/** Why a worker cannot be acted on now; null: it can. */
export function whyNot(row: Row, operator: boolean, action: "stop" | "restart" | "logs"): string | null {
  if (!operator) return "This key may look, not act: sign in with an operator's key";
  if (row.status === "lost" || row.status === "silent")
    return `Its hive ${row.worker.hive_id} does not answer`;
  if (action === "logs") return null;
  if (row.worker.status === "stopped") return "It is stopped already";
  if (row.worker.status === "stopping") return "It is stopping already";
  if (action === "restart" && row.worker.status === "draining") return "It is about to stop";
  if (action === "restart" && row.worker.engine === "openai-url")
    return "It stands for a server by URL, which is not ours to restart";
  return null;
}
