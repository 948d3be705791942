/** Chats by age, as people remember them. Pure. */
import { wordsOf } from "../core/history";
import type { Chat } from "../core/types";

export interface Group {
  name: string;
  chats: Chat[];
}

const DAY_MS = 86_400_000;

/** `found`: ids of chats in whose turns the words occur; titles are looked at here. */
export function groupsOf(
  rows: readonly Chat[],
  query: string,
  found: ReadonlyMap<string, string> | null,
  now: number,
): Group[] {
  const words = wordsOf(query);
  const shown = rows.filter((chat) => {
    const title = chat.title.toLowerCase();
    return found?.has(chat.id) || words.every((word) => title.includes(word));
  });
  const groups = new Map<string, Chat[]>();
  for (const chat of shown) {
    const name = chat.pinned ? "Pinned" : nameOf(chat.updatedAt, now);
    const group = groups.get(name);
    if (group) group.push(chat);
    else groups.set(name, [chat]);
  }
  return NAMES.flatMap((name) => {
    const chats = groups.get(name);
    return chats ? [{ name, chats }] : [];
  });
}

const NAMES = ["Pinned", "Today", "Yesterday", "Last 7 days", "Last 30 days", "Older"];

function nameOf(at: number, now: number): string {
  const today = new Date(now).setHours(0, 0, 0, 0);
  if (at >= today) return "Today";
  if (at >= today - DAY_MS) return "Yesterday";
  if (at >= today - 7 * DAY_MS) return "Last 7 days";
  return at >= today - 30 * DAY_MS ? "Last 30 days" : "Older";
}
