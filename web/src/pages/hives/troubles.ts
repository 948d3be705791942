/**
 * What is wrong with a hive, why, and what helps. Pure: rows in, troubles out, the gravest first.
 *
 * The rule it keeps: a trouble without a remedy is not worth a notice, so each has one.
 */
import type { HiveRow, WorkerRow } from "@/state";
import { shortName } from "@/topology";
import { format, type Tone } from "@/ui";

import { CERTIFICATE_WARN_S, DISK_LOW_MB } from "../limits";

export interface Trouble {
  key: string;
  tone: Extract<Tone, "bad" | "warn" | "info">;
  title: string;
  /** The same in two or three words, for a list. */
  short: string;
  /** Why, in the hive's or the queen's own words. */
  reason: string | null;
  remedy: string;
  /** A command for a terminal on the hive's machine (or where it says so). */
  command: string | null;
}

export interface Seen {
  beatAt: number | null;
  diskFreeMb: number | null;
  queenVersion: string | null;
  now: number;
  workers: readonly WorkerRow[];
}

const WEIGHT = { bad: 0, warn: 1, info: 2 };

export function troublesOf(hive: HiveRow, seen: Seen): Trouble[] {
  const found = [
    ...lifeTroubles(hive, seen),
    ...workerTroubles(seen.workers),
    ...deviceTroubles(hive),
    ...versionTroubles(hive, seen.queenVersion),
    ...certificateTroubles(hive, seen.now),
    ...diskTroubles(seen.diskFreeMb),
  ];
  // It says so itself, but not why: worth a word only where nothing above explains it.
  if (found.length === 0 && hive.health_status === "degraded")
    found.push(
      trouble({
        key: "health",
        tone: "warn",
        title: "It says that it is not well",
        short: "not well",
        remedy: "Its log says why.",
        command: "rbee logs hive",
      }),
    );
  return found.sort((a, b) => WEIGHT[a.tone] - WEIGHT[b.tone]);
}

function trouble(
  part: Partial<Trouble> & Pick<Trouble, "key" | "tone" | "title" | "short" | "remedy">,
): Trouble {
  return { reason: null, command: null, ...part };
}

function lifeTroubles(hive: HiveRow, { beatAt, now }: Seen): Trouble[] {
  const silent =
    beatAt === null ? "none since the queen started" : `the last one ${format.ago(now - beatAt)}`;
  if (hive.state === "down" || hive.state === "gone")
    return [
      trouble({
        key: "down",
        tone: "bad",
        title: "No beat comes from it",
        short: beatAt === null ? "down" : `down for ${format.duration(Math.floor(now - beatAt))}`,
        reason: `A hive beats every second: ${silent}.`,
        remedy: hive.local
          ? "Start it on this machine."
          : "Is the machine on, and in a network that reaches the queen? Then start the hive there.",
        command: "rbee hive start",
      }),
    ];
  if (hive.state === "degraded")
    return [
      trouble({
        key: "degraded",
        tone: "warn",
        title: "Its beats come late",
        short: "late beats",
        reason: `A hive beats every second: ${silent}. Nothing new is started there meanwhile.`,
        remedy: "A busy network or a machine that swaps: see its CPU and RAM. It comes back by itself.",
      }),
    ];
  const found: Trouble[] = [];
  if (hive.operational_status === "stopping")
    found.push(
      trouble({
        key: "stopping",
        tone: "info",
        title: "It is stopping",
        short: "stopping",
        remedy: "Its workers end their answers first. Start it again when you need it.",
        command: "rbee hive start",
      }),
    );
  return found;
}

function workerTroubles(workers: readonly WorkerRow[]): Trouble[] {
  return workers
    .filter((worker) => worker.status === "error")
    .map((worker) =>
      trouble({
        key: `worker ${worker.worker_id}`,
        tone: "bad",
        title: `The worker of ${worker.model} failed`,
        short: `${shortName(worker.model)} failed`,
        reason: worker.reason,
        remedy: "Its log says more; restart it from the page Workers.",
      }),
    );
}

function diskTroubles(free: number | null): Trouble[] {
  if (free === null || free >= DISK_LOW_MB) return [];
  return [
    trouble({
      key: "disk",
      tone: "warn",
      title: `Its disk is nearly full: ${format.bytes(free * 1024 * 1024)} left`,
      short: "disk nearly full",
      reason: "Models are kept there; a download that does not fit is refused.",
      remedy: "Delete a model that nobody uses there (page Models), or move its models to a larger disk.",
    }),
  ];
}

function deviceTroubles(hive: HiveRow): Trouble[] {
  const blind = hive.device_problems.map((problem) =>
    trouble({
      key: `vendor ${problem.vendor}`,
      tone: "warn",
      title: `Not all is known of ${vendorName(problem.vendor)} devices`,
      short: `${vendorName(problem.vendor)} driver`,
      reason: sentence(problem.reason),
      remedy: remedyFor(problem.vendor),
      command: "rbee doctor",
    }),
  );
  const unused = hive.devices
    .filter((device) => device.reason !== null)
    .map((device) =>
      trouble({
        key: `device ${device.id}`,
        tone: "warn",
        title: `${device.name} (${device.id}) cannot be used`,
        short: `${device.id} unusable`,
        reason: sentence(device.reason),
        remedy: remedyFor(device.vendor ?? ""),
        command: "rbee doctor",
      }),
    );
  const engines = hive.engines.filter((engine) => engine.usable);
  const none =
    hive.engines.length > 0 && engines.length === 0
      ? [
          trouble({
            key: "engines",
            tone: "bad",
            title: "No engine works on it",
            short: "no engine",
            reason: sentence(hive.engines.find((engine) => engine.reason !== null)?.reason ?? null),
            remedy: "Install one; below stands why each of them cannot be used.",
            command: "rbee engine install",
          }),
        ]
      : [];
  return [...none, ...blind, ...unused];
}

function vendorName(vendor: string): string {
  const names: Record<string, string> = {
    nvidia: "NVIDIA",
    amd: "AMD",
    apple: "Apple",
    cpu: "CPU",
    intel: "Intel",
  };
  return names[vendor.toLowerCase()] ?? vendor;
}

function remedyFor(vendor: string): string {
  switch (vendor.toLowerCase()) {
    case "nvidia":
      return "`nvidia-smi` on that machine says whether the driver answers; after an update of it the machine wants a reboot. Then look again.";
    case "amd":
      return "Is the amdgpu driver loaded, and may the hive's account read /dev/kfd (group render)? Then look again.";
    default:
      return "Look at the machine, then press Look again.";
  }
}

function versionTroubles(hive: HiveRow, queenVersion: string | null): Trouble[] {
  if (hive.version === null || queenVersion === null || hive.version === queenVersion) return [];
  return [
    trouble({
      key: "version",
      tone: "warn",
      title: "It is of another version than the queen",
      short: `version ${hive.version}`,
      reason: `It has ${hive.version}, she has ${queenVersion}.`,
      remedy: "Bring both to one version; where it is reached by SSH, this does it from the queen's machine.",
      command: `rbee hive upgrade --host ${hive.hostname ?? hive.hive_id}`,
    }),
  ];
}

function certificateTroubles(hive: HiveRow, now: number): Trouble[] {
  if (hive.membership !== "certificate" || hive.expires_at === null) return [];
  const left = hive.expires_at - now;
  if (left > CERTIFICATE_WARN_S) return [];
  return [
    trouble({
      key: "certificate",
      tone: left <= 0 ? "bad" : "warn",
      title: left <= 0 ? "Its certificate has expired" : `Its certificate ends in ${format.duration(left)}`,
      short: "certificate ends",
      reason: "It renews by itself with 20 days left, so something is in its way.",
      remedy:
        "Is the machine's clock right? Its log says why it was not renewed; joining again makes a new one.",
      command: "rbee logs hive",
    }),
  ];
}

/** Reasons come as half sentences. */
export function sentence(text: string | null): string | null {
  if (!text) return null;
  const whole = `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}

/** A hive's state as a word and a tone, for lists. */
export function stateOf(hive: HiveRow, troubles: readonly Trouble[]): { word: string; tone: Tone } {
  if (hive.state === "down" || hive.state === "gone") return { word: "down", tone: "bad" };
  if (hive.state === "degraded") return { word: "late", tone: "warn" };
  if (hive.operational_status === "starting") return { word: "starting", tone: "info" };
  if (hive.operational_status === "stopping") return { word: "stopping", tone: "warn" };
  if (troubles.some((each) => each.tone === "bad")) return { word: "trouble", tone: "bad" };
  if (troubles.some((each) => each.tone === "warn")) return { word: "warning", tone: "warn" };
  return { word: "up", tone: "ok" };
}
