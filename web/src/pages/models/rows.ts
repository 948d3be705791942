/**
 * The colony's models, one row each, with what every hive has of it.
 *
 * Pure. A row is a model's id; its cells are what hives hold (`models`), what is on its way to them
 * (`downloads`), and nothing where neither knows it. The facts are those of a hive that has it whole.
 */
import type { DownloadRow, HiveRow, ModelRow, WorkerRow } from "@/state";
import { shortName } from "./names";

export interface Cell {
  kind: "absent" | "disk" | "loaded" | "damaged" | "stopped" | DownloadRow["state"];
  model: ModelRow | undefined;
  download: DownloadRow | undefined;
}

export interface ModelLine {
  id: string;
  name: string;
  /** The row that says most: of a hive that has it whole, else any. */
  facts: ModelRow | undefined;
  cells: ReadonlyMap<string, Cell>;
  onDisk: number;
  loaded: number;
  pinned: boolean;
  coming: boolean;
}

const ABSENT: Cell = { kind: "absent", model: undefined, download: undefined };

export function cellOf(model: ModelRow | undefined, download: DownloadRow | undefined, held = false): Cell {
  if (model === undefined && download === undefined) return ABSENT;
  if (model?.loaded || (held && model?.status === "available")) return { kind: "loaded", model, download };
  if (model?.status === "available") return { kind: "disk", model, download };
  if (download) return { kind: download.state, model, download };
  return { kind: model?.status === "downloading" ? "stopped" : "damaged", model, download };
}

/** Which models workers hold, as `hive/model`: sooner than the catalogue says it. */
export function heldBy(workers: ReadonlyMap<string, WorkerRow>): ReadonlySet<string> {
  const held = new Set<string>();
  for (const worker of workers.values())
    if (worker.status !== "stopped" && worker.status !== "error")
      held.add(`${worker.hive_id}/${worker.model}`);
  return held;
}

/** The cell of a hive; absent where nothing is known of the model there. */
export function cellAt(line: ModelLine, hiveId: string): Cell {
  return line.cells.get(hiveId) ?? ABSENT;
}

export function linesOf(
  models: ReadonlyMap<string, ModelRow>,
  downloads: ReadonlyMap<string, DownloadRow>,
  held: ReadonlySet<string> = new Set(),
): ModelLine[] {
  const found = new Map<string, { models: Map<string, ModelRow>; downloads: Map<string, DownloadRow> }>();
  const of = (id: string) => {
    let entry = found.get(id);
    if (!entry) found.set(id, (entry = { models: new Map(), downloads: new Map() }));
    return entry;
  };
  for (const row of models.values()) of(row.model_id).models.set(row.hive_id, row);
  for (const row of downloads.values()) of(row.model).downloads.set(row.hive_id, row);
  return [...found].map(([id, entry]) => lineOf(id, entry.models, entry.downloads, held));
}

function lineOf(
  id: string,
  models: ReadonlyMap<string, ModelRow>,
  downloads: ReadonlyMap<string, DownloadRow>,
  held: ReadonlySet<string>,
): ModelLine {
  const cells = new Map<string, Cell>();
  for (const hive of new Set([...models.keys(), ...downloads.keys()]))
    cells.set(hive, cellOf(models.get(hive), downloads.get(hive), held.has(`${hive}/${id}`)));
  const rows = [...models.values()];
  const whole = rows.filter((row) => row.status === "available");
  const facts = whole[0] ?? rows[0];
  return {
    id,
    name: shortName(id),
    facts,
    cells,
    onDisk: whole.length,
    loaded: [...cells.values()].filter((cell) => cell.kind === "loaded").length,
    pinned: rows.some((row) => row.pinned),
    coming: downloads.size > 0,
  };
}

/** The size on disk, from whoever knows it. */
export function sizeOf(line: ModelLine): number | null {
  if (line.facts?.size_bytes) return line.facts.size_bytes;
  for (const cell of line.cells.values()) if (cell.download?.total) return cell.download.total;
  return null; // a script's model has 0 bytes: no size that means anything
}

/** What a cell is, in words. */
export function wordOf(cell: Cell): string {
  switch (cell.kind) {
    case "absent":
      return "not here";
    case "disk":
      return "on disk";
    case "loaded":
      return "loaded";
    case "damaged":
      return "damaged";
    case "stopped":
      return "incomplete";
    case "queued":
      return "queued";
    case "running":
      return cell.download?.phase === "download" ? "downloading" : (cell.download?.phase ?? "downloading");
    case "paused":
      return "paused";
    case "failed":
      return "failed";
  }
}

/** How much of a download is here, 0 to 1; null: nobody knows. */
export function shareOf(download: DownloadRow | undefined): number | null {
  return download?.total ? Math.min(1, download.bytes / download.total) : null;
}

/** The hives that can give the model to another one. */
export function holdersOf(line: ModelLine, hives: ReadonlyMap<string, HiveRow>): string[] {
  return [...line.cells]
    .filter(
      ([hive, cell]) =>
        (cell.kind === "disk" || cell.kind === "loaded") && hives.get(hive)?.state === "fresh",
    )
    .map(([hive]) => hive)
    .sort();
}

/** Whether the hub, or the package index, could have it: its id looks like a repository's file. */
export function isOutside(id: string): boolean {
  return id === "starter" || /^[\w.-]+\/[\w.-]+/.test(id);
}
