/**
 * The models that can be talked to, and how each of them is right now.
 *
 * `GET /v1/models` tells what this browser's key may use, so it also works for a key that may not
 * read the colony. The state stream adds what changes quickly: workers, loads, downloads.
 */
import { useQuery } from "@tanstack/react-query";

import { asProblem, sessionFetch } from "@/api";
import { type DownloadRow, type ModelRow, useTable, type WorkerRow } from "@/state";

export type Readiness = "ready" | "loading" | "downloading" | "disk" | "broken" | "away";

export interface Talker {
  id: string;
  readiness: Readiness;
  hives: string[];
  sizeBytes: number | null;
  quantization: string | null;
  contextLength: number | null;
  aliases: string[];
  /** Whether it takes pictures and sounds; null: nobody knows before it is tried. */
  media: boolean | null;
  tools: boolean | null;
}

interface ModelObject {
  id: string;
  rbee: {
    hives: string[];
    workers: string[];
    state: "ready" | "loading" | "available" | "downloading" | "error";
    size_bytes: number | null;
    aliases: string[];
  };
}

/** A model that nobody has yet and that every colony can have: 93 MB, from the package index. */
export const STARTER = "starter";

const REFETCH_MS = 5_000;

const STATES: Record<ModelObject["rbee"]["state"], Readiness> = {
  ready: "ready",
  loading: "loading",
  available: "disk",
  downloading: "downloading",
  error: "broken",
};

/** Engines that run a model file without its eyes and ears: nothing launches a projector yet. */
const TEXT_ONLY = new Set(["xllamacpp", "llama-server", "scripted"]);

export interface Talkers {
  /** Ready ones first. */
  all: Talker[];
  loaded: boolean;
  /** Why the list could not be had. */
  problem: string | null;
}

export function useTalkers(): Talkers {
  const query = useQuery({
    queryKey: ["chat", "models"],
    queryFn: fetchModels,
    refetchInterval: REFETCH_MS,
    staleTime: REFETCH_MS / 2,
  });
  const models = useTable("models");
  const workers = useTable("workers");
  const downloads = useTable("downloads");
  const all = talkersOnce(query.data, models, workers, downloads);
  return {
    all,
    loaded: query.data !== undefined,
    problem: query.error ? asProblem(query.error).message : null,
  };
}

type Asked = [
  objects: ModelObject[] | undefined,
  models: ReadonlyMap<string, ModelRow>,
  workers: ReadonlyMap<string, WorkerRow>,
  downloads: ReadonlyMap<string, DownloadRow>,
];

let last: { asked: Asked; all: Talker[] } | null = null;

/** Several parts of the page ask for the same list at the same time: it is made once. */
function talkersOnce(...asked: Asked): Talker[] {
  if (!last?.asked.every((each, index) => each === asked[index])) {
    const [objects = [], models, workers, downloads] = asked;
    const all = talkers(objects, [...models.values()], [...workers.values()], [...downloads.values()]);
    last = { asked, all };
  }
  return last.all;
}

async function fetchModels(): Promise<ModelObject[]> {
  const response = await sessionFetch("/v1/models");
  if (!response.ok) throw new Error(`The models cannot be listed (${response.status}).`);
  return ((await response.json()) as { data: ModelObject[] }).data;
}

const ORDER: Readiness[] = ["ready", "loading", "disk", "downloading", "away", "broken"];

/** Pure: the rows of the API, with what the tables add. */
export function talkers(
  objects: readonly ModelObject[],
  models: readonly ModelRow[],
  workers: readonly WorkerRow[],
  downloads: readonly DownloadRow[],
): Talker[] {
  const rows = objects.flatMap((object): Talker[] => {
    const copies = models.filter((row) => row.model_id === object.id);
    if (copies.some((row) => row.embedding === true || row.rerank === true)) return [];
    const own = workers.filter((row) => row.model === object.id);
    if (own.length > 0 && own.every((row) => row.task !== "generate")) return [];
    const [copy] = copies;
    return [
      {
        id: object.id,
        readiness: readinessOf(object, own, downloads),
        hives: object.rbee.hives,
        sizeBytes: object.rbee.size_bytes || (copy?.size_bytes ?? null),
        quantization: copy?.quantization ?? null,
        contextLength: copy?.context_length ?? null,
        aliases: object.rbee.aliases,
        media: mediaOf(own, copy),
        tools: copy?.tools ?? null,
      },
    ];
  });
  return rows.sort(
    (a, b) => ORDER.indexOf(a.readiness) - ORDER.indexOf(b.readiness) || a.id.localeCompare(b.id),
  );
}

function readinessOf(
  object: ModelObject,
  own: readonly WorkerRow[],
  downloads: readonly DownloadRow[],
): Readiness {
  if (own.some((row) => row.serving)) return "ready";
  if (own.some((row) => row.status === "starting")) return "loading";
  const told = STATES[object.rbee.state];
  if (told === "disk" && object.rbee.hives.length === 0) {
    return downloads.some((row) => row.model === object.id) ? "downloading" : "away";
  }
  return told;
}

function mediaOf(own: readonly WorkerRow[], copy: ModelRow | undefined): boolean | null {
  const [worker] = own;
  if (worker) return TEXT_ONLY.has(worker.engine) ? false : null;
  // A GGUF file is run by llama.cpp.
  return copy?.quantization != null || copy?.source === "starter" ? false : null;
}

/** A model by its id or one of its other names. */
export function talkerOf(all: readonly Talker[], name: string): Talker | undefined {
  return all.find((each) => each.id === name || each.aliases.includes(name));
}
