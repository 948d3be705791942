/**
 * What an event is about and where that is shown. Pure.
 *
 * A kind is its subject's kind and a verb (`worker_crashed`), so that new kinds of the queen find their place
 * here by themselves.
 */
import type { EventRow } from "@/state";

export const LEVELS = ["info", "warning", "error"] as const;

/** `worker_crashed` → `worker`. */
export function groupOf(kind: string): string {
  return kind.split("_", 1)[0] ?? kind;
}

/** `worker_crashed` → `crashed`. */
export function verbOf(kind: string): string {
  return kind.slice(groupOf(kind).length + 1).replaceAll("_", " ") || kind;
}

export interface Target {
  to: "/hives" | "/workers" | "/models" | "/requests" | "/keys";
  search: Record<string, string>;
}

/** The page that shows the subject; null where there is none. */
export function targetOf(event: EventRow): Target | null {
  switch (groupOf(event.kind)) {
    case "hive":
      return { to: "/hives", search: { hive: event.subject } };
    case "join":
      return { to: "/hives", search: { add: "approve" } };
    case "worker":
      return { to: "/workers", search: { worker: event.subject } };
    case "model":
    case "download":
      return { to: "/models", search: { model: event.subject } };
    case "request":
      return { to: "/requests", search: { request: event.subject } };
    case "key":
      return { to: "/keys", search: {} };
    default:
      return null;
  }
}

export interface Wanted {
  group: string;
  level: string;
  subject: string;
}

/** Whether an event passes the filters; `level` lets graver ones through as well. */
export function passes(event: EventRow, wanted: Wanted): boolean {
  const least = LEVELS.indexOf((wanted.level || "info") as (typeof LEVELS)[number]);
  return (
    LEVELS.indexOf(event.level) >= least &&
    (!wanted.group || groupOf(event.kind) === wanted.group) &&
    (!wanted.subject || event.subject === wanted.subject || event.hive_id === wanted.subject)
  );
}
