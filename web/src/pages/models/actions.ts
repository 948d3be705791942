/**
 * What is done to models from here. Everything is a job of a hive or the queen: it goes on when the
 * page is left, and the tables of the state stream show what becomes of it.
 */
import { runJob, type Operation } from "@/api";
import { confirm, toast } from "@/app";
import type { DownloadRow, ModelRow } from "@/state";
import { format } from "@/ui";
import { shortName } from "./names";

/** Run it; say how it ended. A person's own pause or cancel is no failure of the download. */
async function act(operation: Operation, done: string): Promise<boolean> {
  try {
    await runJob(operation);
    toast.ok(done);
    return true;
  } catch (error) {
    if (!wasMeant(error)) toast.problem(error);
    return false;
  }
}

function wasMeant(error: unknown): boolean {
  const { code, message } = error as { code?: string; message?: string };
  return code === "conflict" && /is paused|was cancelled/.test(message ?? "");
}

/** Have a model on a hive: from the colony if it has it, else from outside. */
export function fetchModel(model: string, hive: string): Promise<boolean> {
  const label = shortName(model);
  toast.info(`${label} is fetched to ${hive}.`);
  return act({ operation: "model_download", model, hive_id: hive }, `${label} is on ${hive}.`);
}

/** Have a model of one hive on another one too; from whichever is nearest without `from`. */
export function copyModel(model: string, to: string, from: string | null): Promise<boolean> {
  const label = shortName(model);
  toast.info(`${label} is copied to ${to}.`);
  return act({ operation: "model_copy", model, to_hive: to, from_hive: from }, `${label} is on ${to} too.`);
}

export function pauseDownload(row: DownloadRow): Promise<boolean> {
  return act(of("model_pause", row), `${shortName(row.model)} is paused.`);
}

export function resumeDownload(row: DownloadRow): Promise<boolean> {
  return act(of("model_resume", row), `${shortName(row.model)} is on ${row.hive_id}.`);
}

/** Give a download up; asks first where much has come already. */
export async function cancelDownload(row: DownloadRow): Promise<void> {
  if (row.bytes > 0) {
    const text = `${format.bytes(row.bytes)} have come already and are deleted. Pause it to keep them.`;
    const title = `Cancel the download of ${shortName(row.model)}?`;
    if (!(await confirm({ title, text, action: "Cancel download" }))) return;
  }
  await act(of("model_cancel", row), `The download of ${shortName(row.model)} is cancelled.`);
}

/** Delete a model from one hive, after asking. */
export async function deleteModel(row: ModelRow): Promise<void> {
  const freed = row.size_bytes === null ? "" : ` ${format.bytes(row.size_bytes)} are free again.`;
  const text = `Its file is deleted from the disk of ${row.hive_id}.${freed} Other hives keep theirs.`;
  const title = `Delete ${row.name} from ${row.hive_id}?`;
  if (!(await confirm({ title, text, action: "Delete model" }))) return;
  await act(
    { operation: "model_delete", model: row.model_id, hive_id: row.hive_id },
    `${row.name} is deleted from ${row.hive_id}.`,
  );
}

export function pinModel(row: ModelRow, pinned: boolean): Promise<boolean> {
  const words = pinned ? "is kept whatever the quota says" : "is pinned no more";
  return act(
    { operation: "model_pin", model: row.model_id, hive_id: row.hive_id, pinned },
    `${row.name} ${words}.`,
  );
}

function of(operation: string, row: DownloadRow): Operation {
  return { operation, model: row.model, hive_id: row.hive_id };
}
