/** What of the colony goes by the words in the palette. Pure; few of each kind, since one reads them all. */
import type { HiveRow, ModelRow, WorkerRow } from "@/state";
import { shortName } from "@/topology/model";

export interface Thing {
  id: string;
  title: string;
  note: string;
  to: "/models" | "/hives" | "/workers" | "/chat";
  search: Record<string, string>;
}

export interface Things {
  heading: "Models" | "Hives" | "Workers";
  things: readonly Thing[];
}

/** One letter finds everything, which is no help. */
const LETTERS_MIN = 2;
const SHOWN_MAX = 6;

export function findThings(
  query: string,
  models: Iterable<Pick<ModelRow, "model_id" | "name">>,
  hives: Iterable<Pick<HiveRow, "hive_id" | "hostname" | "state">>,
  workers: Iterable<Pick<WorkerRow, "worker_id" | "model" | "hive_id" | "device" | "status">>,
): Things[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.join("").length < LETTERS_MIN) return [];
  const fits = (...texts: (string | null)[]) => {
    const hay = texts.join(" ").toLowerCase();
    return words.every((word) => hay.includes(word));
  };
  const byModel = new Map<string, Thing>();
  for (const { model_id, name } of models) {
    if (byModel.size >= SHOWN_MAX) break;
    if (fits(model_id, name))
      byModel.set(model_id, {
        id: `model ${model_id}`,
        title: model_id,
        note: "",
        to: "/models",
        search: { model: model_id },
      });
  }
  const inHives = [...take(hives, (row) => fits(row.hive_id, row.hostname))].map((row): Thing => ({
    id: `hive ${row.hive_id}`,
    title: row.hive_id,
    note: row.state,
    to: "/hives",
    search: { hive: row.hive_id },
  }));
  const inWorkers = [...take(workers, (row) => fits(row.worker_id, row.model, row.hive_id))].map(
    (row): Thing => ({
      id: `worker ${row.worker_id}`,
      title: shortName(row.model),
      note: `${row.hive_id} · ${row.device} · ${row.status}`,
      to: "/workers",
      search: { worker: row.worker_id },
    }),
  );
  const all: Things[] = [
    { heading: "Models", things: [...byModel.values()] },
    { heading: "Hives", things: inHives },
    { heading: "Workers", things: inWorkers },
  ];
  return all.filter((each) => each.things.length > 0);
}

function* take<R>(rows: Iterable<R>, fits: (row: R) => boolean): Generator<R> {
  let left = SHOWN_MAX;
  for (const row of rows) {
    if (left === 0) return;
    if (!fits(row)) continue;
    left -= 1;
    yield row;
  }
}
