/**
 * The chats of this browser, the one that is open, and the answers that are being made.
 *
 * One store. What it shows changes at once; writing it to the history follows. The words of an
 * answer that grows are in its `Run`, so the store does not change with every token.
 */
import { create } from "zustand";

import { toast } from "@/app";

import { History } from "../core/history";
import { EMPTY, type Tree } from "../core/tree";
import { type Chat, PLAIN } from "../core/types";
import type { Run } from "./run";

export interface Chats {
  /** False until the history was read. */
  ready: boolean;
  /** False where this browser keeps nothing: then chats last as long as the page. */
  durable: boolean;
  chats: readonly Chat[];
  /** The open chat; a new one is in `chats` only once something was asked. */
  chat: Chat;
  trees: readonly Tree[];
  /** Answers that are being made, by the id of their turn; those of other chats too. */
  runs: ReadonlyMap<string, Run>;
}

export const useChats = create<Chats>(() => ({
  ready: false,
  durable: true,
  chats: [],
  chat: newChat(""),
  trees: [EMPTY],
  runs: new Map(),
}));

export const chats = (): Chats => useChats.getState();

/** A full disk fails every write of an answer: one message is enough. */
const TELL_AGAIN_MS = 60_000;

let opening: Promise<History> | null = null;

/** The history, opened once. */
export function theHistory(): Promise<History> {
  opening ??= History.open();
  return opening;
}

let told = 0;

/** Change the history. What cannot be written is said, once in a while, and stays on the page. */
export function keep(change: (history: History) => Promise<void>): void {
  theHistory()
    .then(change)
    .catch((error: unknown) => {
      if (Date.now() - told < TELL_AGAIN_MS) return;
      told = Date.now();
      toast.problem({
        message: "This browser could not keep the chat.",
        remedy: `Export or delete old chats to make room. ${error instanceof Error ? error.message : ""}`,
      });
    });
}

export function newId(): string {
  // `randomUUID` wants a secure context, and a queen on the LAN is reached by plain HTTP.
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function newChat(model: string): Chat {
  const now = Date.now();
  return {
    id: newId(),
    title: "New chat",
    titled: false,
    createdAt: now,
    updatedAt: now,
    panes: [{ model }],
    sampling: PLAIN,
    pinned: false,
  };
}

/** Read the list of chats; called when the page opens. */
export async function loadChats(): Promise<void> {
  const history = await theHistory();
  if (chats().ready) return;
  const rows = await history.chats();
  useChats.setState({ ready: true, durable: history.durable, chats: rows });
}

/** Change the open chat's head and keep it, once it has been begun. */
export function changeChat(change: Partial<Chat>): void {
  const chat = { ...chats().chat, ...change };
  useChats.setState({ chat });
  if (chats().chats.some((each) => each.id === chat.id)) keepChat(chat);
}

/** Put a chat into the list, first, and write it. */
export function keepChat(chat: Chat): void {
  const others = chats().chats.filter((each) => each.id !== chat.id);
  const rows = [chat, ...others].sort((a, b) => b.updatedAt - a.updatedAt);
  useChats.setState({ chats: rows });
  keep((history) => history.putChat(chat));
}

export function setTree(pane: number, tree: Tree): void {
  const trees = chats().trees.map((each, index) => (index === pane ? tree : each));
  useChats.setState({ trees });
}

export function setRun(turn: string, run: Run | null): void {
  const runs = new Map(chats().runs);
  if (run) runs.set(turn, run);
  else runs.delete(turn);
  useChats.setState({ runs });
}

export function setTrees(trees: readonly Tree[]): void {
  useChats.setState({ trees });
}
