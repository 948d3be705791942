/** What is done at a hive's own page: its jobs, with words about what came of them. */
import { type Operation, runJob } from "@/api";
import { confirm, toast } from "@/app";

import type { Model, Worker } from "./useHive";

type Look = () => Promise<void>;

async function act(operation: Operation, done: string, look: Look): Promise<void> {
  try {
    await runJob(operation, (event) => {
      if (event.action === "worker_spawn_start" || event.action === "worker_restart_start") void look();
    });
    toast.ok(done);
  } catch (error) {
    toast.problem(error);
  } finally {
    await look();
  }
}

export function start(model: Model, look: Look): Promise<void> {
  return act({ operation: "worker_spawn", model: model.id }, `${model.id} is ready.`, look);
}

export async function stop(worker: Worker, look: Look): Promise<void> {
  const asked = {
    title: `Stop ${worker.model}?`,
    text: "Running requests end first. The model's file stays on the disk.",
    action: "Stop worker",
  };
  if (!(await confirm(asked))) return;
  const operation = { operation: "worker_process_delete", worker_id: worker.worker_id };
  await act(operation, `${worker.model} stopped.`, look);
}

export function restart(worker: Worker, look: Look): Promise<void> {
  const operation = { operation: "worker_restart", worker_id: worker.worker_id };
  return act(operation, `${worker.model} is ready again.`, look);
}
