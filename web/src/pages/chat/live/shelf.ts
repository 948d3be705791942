/**
 * The list of chats: open, begin, rename, pin, delete, export, import.
 */
import { saveAs } from "@/ui";

import { withoutThought } from "../core/asking";
import { EMPTY, pathOf } from "../core/tree";
import { asJson, asMarkdown, fromJson, IMPORT_BYTES_MAX, type Whole } from "../core/transfer";
import type { Chat } from "../core/types";
import { readAhead } from "../markdown/blocks";
import { changeChat, chats, keepChat, newChat, newId, setTrees, theHistory, useChats } from "./chats";

/** Counts what was opened: a chat that is read while another one is asked for comes too late. */
let openings = 0;

/** Of the last turns of a chat long ones are read ahead: what is shown first. */
const AHEAD_TURNS = 4;

/** Show a chat; false where there is none of that id. */
export async function openChat(id: string): Promise<boolean> {
  openings += 1;
  const mine = openings;
  if (chats().chat.id === id) return true;
  const chat = chats().chats.find((each) => each.id === id);
  if (!chat) return false;
  const trees = await (await theHistory()).trees(chat);
  const pause = async () => {
    await new Promise((resolve) => setTimeout(resolve));
    return mine === openings;
  };
  for (const turn of trees.flatMap((tree) => pathOf(tree).slice(-AHEAD_TURNS))) {
    // One that is written now is longer than what was kept of it.
    if (turn.role === "user" || chats().runs.has(turn.id)) continue;
    await readAhead(turn.id, withoutThought(turn.text).text, pause);
  }
  if (mine === openings) useChats.setState({ chat, trees });
  return true;
}

/** An empty chat with the model of the open one; how to ask begins anew. */
export function freshChat(model?: string): Chat {
  openings += 1;
  const chat = newChat(model ?? chats().chat.panes[0]?.model ?? "");
  useChats.setState({ chat, trees: [EMPTY] });
  return chat;
}

export function rename(chat: Chat, title: string): void {
  change(chat, { title: title.trim() || chat.title, titled: true });
}

export function pin(chat: Chat, pinned: boolean): void {
  change(chat, { pinned });
}

function change(chat: Chat, part: Partial<Chat>): void {
  if (chats().chat.id === chat.id) changeChat(part);
  else keepChat({ ...chat, ...part });
}

export async function deleteChat(id: string): Promise<void> {
  for (const run of chats().runs.values()) if (run.parts.chat === id) run.stop();
  useChats.setState({ chats: chats().chats.filter((each) => each.id !== id) });
  if (chats().chat.id === id) freshChat();
  await (await theHistory()).drop(id);
}

export async function deleteAll(): Promise<void> {
  for (const run of chats().runs.values()) run.stop();
  useChats.setState({ chats: [] });
  freshChat();
  await (await theHistory()).dropAll();
}

async function wholeOf(chat: Chat): Promise<Whole> {
  if (chats().chat.id === chat.id) return { chat, trees: [...chats().trees] };
  return { chat, trees: await (await theHistory()).trees(chat) };
}

export async function exportJson(rows: readonly Chat[]): Promise<void> {
  const wholes = await Promise.all(rows.map(wholeOf));
  const [only] = rows;
  const name = rows.length === 1 && only ? fileName(only.title) : "rbee-chats";
  saveAs(`${name}.json`, asJson(wholes, Date.now()), "application/json");
}

export async function exportMarkdown(chat: Chat): Promise<void> {
  saveAs(`${fileName(chat.title)}.md`, asMarkdown(await wholeOf(chat)), "text/markdown");
}

/**
 * Read an exported file; gives how many chats it had.
 *
 * @throws Error what is wrong with it.
 */
export async function importJson(file: File): Promise<number> {
  if (file.size > IMPORT_BYTES_MAX) throw new Error("The file is larger than 64 MiB.");
  const wholes = fromJson(await file.text(), newId);
  const history = await theHistory();
  for (const { chat, trees } of wholes) await history.putWhole(chat, trees);
  const rows = [...wholes.map((whole) => whole.chat), ...chats().chats];
  useChats.setState({ chats: rows.sort((a, b) => b.updatedAt - a.updatedAt) });
  const [first] = wholes;
  if (first && !history.durable) {
    useChats.setState({ chat: first.chat });
    setTrees(first.trees);
  }
  return wholes.length;
}

function fileName(title: string): string {
  return (
    title
      .replace(/[^\p{L}\p{N}]+/gu, "-")
      .replace(/^-+|-+$/g, "")
      .slice(0, 60) || "chat"
  );
}
