/**
 * What needs somebody: found in the tables of the state stream, each with what is wrong and what helps.
 *
 * Pure: takes rows and the time, returns alerts, the worst first; the same thing is never told twice.
 */
import type { ColonyRow, DownloadRow, HiveRow, JoinRow, NodeRow, RequestRow, WorkerRow } from "@/state";
import { shortName } from "@/topology/model";
import { format } from "@/ui";

import { CERTIFICATE_WARN_S, DISK_LOW_MB, HOT_C } from "../limits";

export interface Alert {
  id: string;
  tone: "bad" | "warn" | "info";
  /** What is wrong, and where. */
  title: string;
  /** Why, and what helps. */
  text: string;
  /** The hive or the model it is about: what many alike are listed by. */
  about?: string;
  action: {
    label: string;
    to: "/hives" | "/workers" | "/models" | "/requests";
    search: Record<string, string>;
  };
}

export interface Known {
  colony: ColonyRow | undefined;
  hives: Iterable<HiveRow>;
  nodes: ReadonlyMap<string, NodeRow>;
  workers: Iterable<WorkerRow>;
  downloads: Iterable<DownloadRow>;
  joins: Iterable<JoinRow>;
  requests: Iterable<RequestRow>;
  now: number;
}

/** Waiting longer than this is worth a look: loading the largest models takes about as long. */
const WAITING_S = 120;

const ORDER = { bad: 0, warn: 1, info: 2 };

export function findAlerts(known: Known): Alert[] {
  const found = [
    ...gathered(
      [...hiveAlerts(known)],
      "silent ",
      (all) => `${format.plural(all.length, "hive")} have not been heard of`,
      "/hives",
    ),
    ...gathered(
      [...workerAlerts(known.workers)],
      "worker ",
      (all) => `${format.plural(all.length, "worker")} failed`,
      "/workers",
    ),
    ...downloadAlerts(known.downloads),
    ...joinAlerts(known.joins),
    ...waitingAlerts(known.requests, known.now),
  ];
  return found.sort((a, b) => ORDER[a.tone] - ORDER[b.tone]);
}

/** More than these of one kind are told in one line: the list stays a list of things to do. */
const ALIKE_MAX = 3;

/** Alerts whose ids begin with `prefix`, as one where there are many; the others as they are. */
function gathered(
  alerts: Alert[],
  prefix: string,
  title: (all: Alert[]) => string,
  to: Alert["action"]["to"],
): Alert[] {
  const alike = alerts.filter((alert) => alert.id.startsWith(prefix));
  const [first] = alike;
  if (first === undefined || alike.length <= ALIKE_MAX) return alerts;
  const names = [...new Set(alike.map((alert) => alert.about))].join(", ");
  return [
    {
      ...first,
      id: `many ${prefix}`,
      title: title(alike),
      text: `${names}. ${first.text}`,
      action: { label: "Open them", to, search: {} },
    },
    ...alerts.filter((alert) => !alike.includes(alert)),
  ];
}

function* hiveAlerts({ hives, nodes, now }: Known): Generator<Alert> {
  for (const hive of hives) {
    const id = hive.hive_id;
    const action = { label: "Open hive", to: "/hives", search: { hive: id } } as const;
    const node = nodes.get(id);
    if (hive.membership === "revoked") continue; // Somebody wanted that.
    if (hive.state === "down" || hive.state === "gone") {
      const since = node?.beat_at ? ` for ${format.duration(now - node.beat_at)}` : "";
      yield {
        id: `silent ${id}`,
        about: id,
        tone: "bad",
        title: `${id} has not been heard of${since}`,
        text: "Its workers get no new requests. Look whether the machine is on and reaches the queen; it comes back by itself.",
        action,
      };
      continue;
    }
    for (const problem of hive.device_problems) {
      yield {
        id: `device ${id} ${problem.vendor}`,
        tone: "warn",
        title: `A device of ${id} cannot be used`,
        text: problem.reason,
        action,
      };
    }
    const hot = (node?.gpus ?? []).filter((gpu) => (gpu[4] ?? 0) >= HOT_C);
    if (hot.length > 0) {
      const most = Math.max(...hot.map((gpu) => gpu[4] ?? 0));
      yield {
        id: `hot ${id}`,
        tone: "warn",
        title: `${format.plural(hot.length, "GPU")} of ${id} at up to ${format.celsius(most)}`,
        text: "It slows itself down at that heat. Look after fans and air, or lower its power limit.",
        action,
      };
    }
    if (node?.disk_free_mb !== null && node?.disk_free_mb !== undefined && node.disk_free_mb < DISK_LOW_MB) {
      yield {
        id: `disk ${id}`,
        tone: "warn",
        title: `${format.bytes(node.disk_free_mb * 1024 * 1024)} of disk are left on ${id}`,
        text: "The next download may not fit. Delete models that nobody uses, or give it a larger cache folder.",
        action: { label: "Open models", to: "/models", search: { hive: id } },
      };
    }
    if (hive.expires_at !== null && hive.expires_at - now < CERTIFICATE_WARN_S) {
      const left_s = hive.expires_at - now;
      yield {
        id: `certificate ${id}`,
        tone: left_s > 0 ? "warn" : "bad",
        title:
          left_s > 0
            ? `The certificate of ${id} ends in ${format.duration(left_s)}`
            : `The certificate of ${id} has expired`,
        text: "It should have renewed it by itself. Restart the hive, or let it join again.",
        action,
      };
    }
  }
}

function* workerAlerts(workers: Iterable<WorkerRow>): Generator<Alert> {
  for (const worker of workers) {
    if (worker.status !== "error") continue;
    yield {
      id: `worker ${worker.worker_id}`,
      about: shortName(worker.model),
      tone: "bad",
      title: `A worker of ${shortName(worker.model)} failed on ${worker.hive_id}`,
      text: worker.reason ?? "It left without saying why. Its log says more.",
      action: { label: "Open worker", to: "/workers", search: { worker: worker.worker_id } },
    };
  }
}

function* downloadAlerts(downloads: Iterable<DownloadRow>): Generator<Alert> {
  for (const row of downloads) {
    if (row.state !== "failed") continue;
    yield {
      id: `download ${row.hive_id} ${row.model}`,
      tone: "bad",
      title: `${shortName(row.model)} could not be fetched to ${row.hive_id}`,
      text: [row.reason, row.remedy].filter(Boolean).join(" ") || "Open the downloads for more.",
      action: { label: "Open downloads", to: "/models", search: { view: "downloads" } },
    };
  }
}

function* joinAlerts(joins: Iterable<JoinRow>): Generator<Alert> {
  for (const row of joins) {
    yield {
      id: `join ${row.code}`,
      tone: "info",
      title: `${row.hostname} asks to join the colony`,
      text: `Compare the code ${row.code} with the one that the machine shows, then approve it.`,
      action: { label: "Compare", to: "/hives", search: { add: "approve" } },
    };
  }
}

function* waitingAlerts(requests: Iterable<RequestRow>, now: number): Generator<Alert> {
  const models = new Map<string, { count: number; longest: number; reason: string | null }>();
  for (const row of requests) {
    if (row.state !== "waiting" || now - row.since < WAITING_S) continue;
    const seen = models.get(row.model);
    models.set(row.model, {
      count: (seen?.count ?? 0) + 1,
      longest: Math.max(seen?.longest ?? 0, now - row.since),
      reason: row.reason ?? seen?.reason ?? null,
    });
  }
  for (const [model, { count, longest, reason }] of models) {
    yield {
      id: `waiting ${model}`,
      tone: "warn",
      title: `${format.plural(count, "request")} for ${shortName(model)} ${count === 1 ? "has" : "have"} waited for ${format.duration(longest)}`,
      text: reason ?? "Start another worker of that model, or see why they wait.",
      action: { label: "Open requests", to: "/requests", search: { q: model } },
    };
  }
}
