/** Whose logs there are: the queen's, and below each hive those of its workers. Pure. */
import type { HiveRow, WorkerRow } from "@/state";
import { shortName } from "@/topology/model";

export interface Source {
  /** As it stands in the URL: `queen`, `hive:ID`, `worker:ID`. */
  key: string;
  kind: "queen" | "hive" | "worker";
  name: string;
  /** Null for the queen. */
  hiveId: string | null;
  state: string;
  /** As the list calls it. */
  label: string;
  about: string;
}

const QUEEN: Source = {
  key: "queen",
  kind: "queen",
  name: "queen",
  hiveId: null,
  state: "ready",
  label: "queen",
  about: "The queen",
};
const collator = new Intl.Collator("en", { numeric: true });

export function sourcesOf(
  hives: ReadonlyMap<string, HiveRow>,
  workers: ReadonlyMap<string, WorkerRow>,
): Source[] {
  const found = [QUEEN];
  const byHive = new Map<string, WorkerRow[]>();
  for (const worker of workers.values()) {
    const mine = byHive.get(worker.hive_id);
    if (mine) mine.push(worker);
    else byHive.set(worker.hive_id, [worker]);
  }
  for (const hive of [...hives.values()].sort((a, b) => collator.compare(a.hive_id, b.hive_id))) {
    const id = hive.hive_id;
    found.push({
      key: `hive:${id}`,
      kind: "hive",
      name: id,
      hiveId: id,
      state: hive.state === "fresh" ? "live" : hive.state,
      label: id,
      about: `The hive ${id}`,
    });
    const mine = (byHive.get(id) ?? []).toSorted((a, b) => collator.compare(a.model, b.model));
    for (const worker of mine) {
      found.push({
        key: `worker:${worker.worker_id}`,
        kind: "worker",
        name: worker.worker_id,
        hiveId: id,
        state: worker.status,
        label: shortName(worker.model),
        about: `${worker.model} · ${worker.worker_id}`,
      });
    }
  }
  return found;
}

/** The one that the URL names; the queen's where that is gone. */
export function sourceOf(key: string, sources: readonly Source[]): Source {
  return sources.find((source) => source.key === key) ?? QUEEN;
}
