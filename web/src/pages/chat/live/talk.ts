/**
 * What a person does in a chat: ask, stop, try again, edit, go on, choose a branch, compare.
 *
 * Each is a change of a tree and, where an answer is wanted, a `Run`. Several panes are asked at
 * the same time with the same words.
 */
import { getTable } from "@/state";

import { bodyOf, isStrict } from "../core/asking";
import { EMPTY, pathOf, pathTo, stepped, type Tree, withTurn, without } from "../core/tree";
import { type Attachment, type Chat, factsOf, type Turn } from "../core/types";
import { changeChat, chats, keep, keepChat, newId, setRun, setTree, setTrees } from "./chats";
import { Run } from "./run";

/** A title is the beginning of the first question. */
const TITLE_CHARS = 60;

export function send(text: string, attachments: readonly Attachment[] = []): void {
  const { chat, trees } = chats();
  const isFirst = trees.every((tree) => tree.turns.size === 0);
  const title = isFirst && !chat.titled ? titleOf(text, attachments) : chat.title;
  const head = { ...chat, title, updatedAt: Date.now() };
  changeChat(head);
  keepChat(head);
  head.panes.forEach((_, pane) => {
    ask(pane, questionTurn(pathOf(treeAt(pane)).at(-1)?.id ?? null, text, attachments));
  });
}

/** Another question in the place of one: a new branch, in its own pane only. */
export function edit(pane: number, turn: Turn, text: string): void {
  ask(pane, questionTurn(turn.parent, text, turn.attachments ?? []));
}

/** Another answer to the same question, of the same model or another one. */
export function again(pane: number, answer: Turn, model?: string): void {
  if (model !== undefined) setModel(pane, model);
  if (answer.parent !== null) begin(pane, answerTurn(answer.parent));
}

/** Go on with an answer that was stopped, cut or too long: in its place, not beside it. */
export function goOn(pane: number, answer: Turn): void {
  begin(pane, answer);
}

export function stop(pane?: number): void {
  const { chat, runs } = chats();
  for (const run of runs.values()) {
    if (run.parts.chat === chat.id && (pane === undefined || run.parts.pane === pane)) run.stop();
  }
}

export function step(pane: number, turn: string, by: number): void {
  const tree = stepped(treeAt(pane), turn, by);
  setTree(pane, tree);
  keepChosen(pane, tree);
}

export function remove(pane: number, turn: string): void {
  const { tree, gone } = without(treeAt(pane), turn);
  for (const id of gone) chats().runs.get(id)?.stop();
  setTree(pane, tree);
  const { chat } = chats();
  keep((history) => history.dropTurns(chat.id, pane, gone));
  keepChosen(pane, tree);
}

export function setModel(pane: number, model: string): void {
  const { chat } = chats();
  changeChat({ panes: chat.panes.map((each, index) => (index === pane ? { model } : each)) });
}

/** A second column that is asked the same from here on; it begins with what was said so far. */
export function compare(model: string): void {
  const { chat, trees } = chats();
  const [tree = EMPTY] = trees;
  if (chat.panes.length === 1) rewrite({ ...chat, panes: [...chat.panes, { model }] }, [tree, tree]);
}

/** One column again, that of `pane`. Not while an answer is made: it would lose its place. */
export function keepPane(pane: number): void {
  const { chat, trees } = chats();
  const kept = chat.panes[pane];
  if (kept) rewrite({ ...chat, panes: [kept] }, [trees[pane] ?? EMPTY]);
}

function rewrite(chat: Chat, trees: Tree[]): void {
  changeChat({ panes: chat.panes });
  setTrees(trees);
  if (!chats().chats.some((each) => each.id === chat.id)) return;
  keep(async (history) => {
    await history.drop(chat.id);
    await history.putWhole(chat, trees);
  });
}

// ── one answer ───────────────────────────────────────────────────────────────

function ask(pane: number, question: Turn): void {
  setTree(pane, withTurn(treeAt(pane), question));
  keepTurn(pane, question);
  begin(pane, answerTurn(question.id));
}

/** Have an answer made: `turn` is empty, or what it goes on from. */
function begin(pane: number, turn: Turn): void {
  const { chat } = chats();
  const model = chat.panes[pane]?.model ?? "";
  const tree = withTurn(treeAt(pane), { ...turn, facts: factsOf(model) });
  setTree(pane, tree);
  keepChosen(pane, tree);
  const path = pathTo(tree, turn.id);
  const strict = isStrict(enginesOf(model));
  const run = new Run({
    chat: chat.id,
    pane,
    turn,
    model,
    headers: headersOf(chat, pane),
    body: (text) =>
      bodyOf(
        text === ""
          ? { model, path, sampling: chat.sampling, strict }
          : { model, path: [...path, { ...turn, text }], sampling: chat.sampling, strict, goesOn: true },
      ),
    save: (grown) => save(chat.id, pane, grown),
  });
  setRun(turn.id, run);
  save(chat.id, pane, run.turn());
  void run.go().then(() => {
    setRun(turn.id, null);
  });
}

/** Write an answer, and show it where its chat is open. */
function save(chat: string, pane: number, turn: Turn): void {
  keep((history) => history.putTurn(chat, pane, turn));
  const open = chats();
  if (open.chat.id !== chat || !open.trees[pane]?.turns.has(turn.id)) return;
  if (open.runs.get(turn.id)?.ended ?? true) setTree(pane, withTurn(treeAt(pane), turn));
}

function headersOf(chat: Chat, pane: number): Record<string, string> {
  // The same worker again has read the conversation already (where the model's policy heeds it).
  const headers: Record<string, string> = { "x-session-id": `${chat.id}-${pane}` };
  if (chat.sampling.hiveId !== null) headers["x-hive-preference"] = chat.sampling.hiveId;
  return headers;
}

function enginesOf(model: string): string[] {
  return [...getTable("workers").values()].filter((row) => row.model === model).map((row) => row.engine);
}

// ── turns ────────────────────────────────────────────────────────────────────

function treeAt(pane: number): Tree {
  return chats().trees[pane] ?? EMPTY;
}

function questionTurn(parent: string | null, text: string, attachments: readonly Attachment[]): Turn {
  const turn: Turn = { id: newId(), parent, role: "user", text, at: Date.now() };
  if (attachments.length > 0) turn.attachments = [...attachments];
  return turn;
}

function answerTurn(parent: string): Turn {
  return { id: newId(), parent, role: "assistant", text: "", at: Date.now() };
}

function keepTurn(pane: number, turn: Turn): void {
  const { chat } = chats();
  keep((history) => history.putTurn(chat.id, pane, turn));
}

function keepChosen(pane: number, tree: Tree): void {
  const { chat } = chats();
  keep((history) => history.putChosen(chat.id, pane, tree));
}

function titleOf(text: string, attachments: readonly Attachment[]): string {
  const line = text.trim().split("\n", 1)[0] ?? "";
  if (line === "") return attachments[0]?.name ?? "New chat";
  return line.length > TITLE_CHARS ? `${line.slice(0, TITLE_CHARS).trimEnd()}…` : line;
}
