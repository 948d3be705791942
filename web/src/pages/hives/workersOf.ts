/** The workers of a hive, looked up: the table is sorted by hive once after each of its changes. */
import { getTable, type WorkerRow } from "@/state";

const NONE: readonly WorkerRow[] = [];
let of: ReadonlyMap<string, WorkerRow> | null = null;
let byHive = new Map<string, WorkerRow[]>();

export function workersOf(hiveId: string): readonly WorkerRow[] {
  const table = getTable("workers");
  if (table !== of) {
    of = table;
    byHive = new Map();
    for (const row of table.values()) {
      const rows = byHive.get(row.hive_id);
      if (rows) rows.push(row);
      else byHive.set(row.hive_id, [row]);
    }
  }
  return byHive.get(hiveId) ?? NONE;
}
