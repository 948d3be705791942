/**
 * The table `requests` as the page shows it: in the order of the queue, with what can be said of each.
 *
 * Pure. Who waits comes first, in its turn; then what runs, the longest first; then what ended, newest first.
 */
import type { RequestRow } from "@/state";

export const SHOWS = ["open", "waiting", "running", "ended", "all"] as const;
export type Shows = (typeof SHOWS)[number];

const OPEN = new Set(["waiting", "running"]);

/** Whether it still waits or runs. */
export function isOpen(row: RequestRow): boolean {
  return OPEN.has(row.state);
}

export function matches(row: RequestRow, shows: Shows): boolean {
  if (shows === "all") return true;
  if (shows === "open") return isOpen(row);
  return shows === "ended" ? !isOpen(row) : row.state === shows;
}

/** A number that sorts: smaller comes first. */
export function turnOf(row: RequestRow): number {
  if (row.state === "waiting") return (row.position ?? 1e5) - 3e12;
  if (row.state === "running") return row.since - 2e12;
  return -(row.ended_at ?? row.since);
}

/** How long it has waited for its worker, or did; null: it never got one. */
export function waitedS(row: RequestRow, now: number): number | null {
  if (row.state === "waiting") return Math.max(0, now - row.since);
  return row.started_at === null ? null : Math.max(0, row.started_at - row.since);
}

/** How long it has taken so far, from its arrival to its end. */
export function tookS(row: RequestRow, now: number): number {
  return Math.max(0, (row.ended_at ?? now) - row.since);
}

/** `/v1/chat/completions` as people call it. */
export function doorOf(door: string | null): string | null {
  if (door === null) return null;
  return DOORS[door.replace(/^.*\/v1\//, "")] ?? door;
}

const DOORS: Record<string, string> = {
  "chat/completions": "chat",
  completions: "completion",
  embeddings: "embedding",
  rerank: "rerank",
  responses: "responses",
  messages: "messages",
};

/** "2 run · 5 wait, the longest for 12 s". */
export function summaryOf(rows: readonly RequestRow[], now: number, span: (s: number) => string): string {
  const running = rows.filter((row) => row.state === "running").length;
  const waiting = rows.filter((row) => row.state === "waiting");
  const parts = [`${running} running`, `${waiting.length} waiting`];
  if (waiting.length > 0) {
    const longest = Math.max(...waiting.map((row) => waitedS(row, now) ?? 0));
    parts[1] += `, the longest for ${span(longest)}`;
  }
  return parts.join(" · ");
}
