/**
 * A conversation as a tree: every edit and every new try is a branch, nothing is ever overwritten.
 *
 * Pure and immutable. The children of one parent are siblings; `chosen` says which of them is
 * shown. The path from the root along the chosen children is what a person sees and what a model
 * is asked with.
 */
import type { Turn } from "./types";

export interface Tree {
  readonly turns: ReadonlyMap<string, Turn>;
  /** Children of a turn, oldest first; of the beginning under `ROOT`. */
  readonly children: ReadonlyMap<string, readonly string[]>;
  readonly chosen: ReadonlyMap<string, string>;
}

/** The key of the turns that have no parent. */
export const ROOT = "";

export const EMPTY: Tree = { turns: new Map(), children: new Map(), chosen: new Map() };

/** A turn's place among its siblings: `at` counts from 0. */
export interface Place {
  at: number;
  of: number;
  ids: readonly string[];
}

const keyOf = (turn: Turn): string => turn.parent ?? ROOT;

/** With one turn more, which is chosen from now on. A turn of the same id is replaced. */
export function withTurn(tree: Tree, turn: Turn): Tree {
  const known = tree.turns.get(turn.id);
  const turns = new Map(tree.turns).set(turn.id, turn);
  if (known) return { ...tree, turns };
  const key = keyOf(turn);
  const children = new Map(tree.children).set(key, [...(tree.children.get(key) ?? []), turn.id]);
  return { turns, children, chosen: new Map(tree.chosen).set(key, turn.id) };
}

/** The turns that are shown, from the first to the last. */
export function pathOf(tree: Tree): Turn[] {
  const path: Turn[] = [];
  for (let key = ROOT; ;) {
    const siblings = tree.children.get(key);
    const id = tree.chosen.get(key) ?? siblings?.at(-1);
    const turn = id === undefined ? undefined : tree.turns.get(id);
    if (!turn) return path;
    path.push(turn);
    key = turn.id;
  }
}

/** The turns that lead to one, without it. */
export function pathTo(tree: Tree, id: string): Turn[] {
  const path: Turn[] = [];
  let turn = tree.turns.get(id);
  while (turn?.parent) {
    turn = tree.turns.get(turn.parent);
    if (turn) path.unshift(turn);
  }
  return path;
}

export function placeOf(tree: Tree, id: string): Place {
  const turn = tree.turns.get(id);
  const ids = (turn && tree.children.get(keyOf(turn))) ?? [];
  return { at: Math.max(0, ids.indexOf(id)), of: ids.length, ids };
}

/** Show the sibling that lies `step` further; at the ends nothing changes. */
export function stepped(tree: Tree, id: string, step: number): Tree {
  const { at, ids } = placeOf(tree, id);
  const next = ids[at + step];
  const turn = tree.turns.get(id);
  if (next === undefined || !turn) return tree;
  return { ...tree, chosen: new Map(tree.chosen).set(keyOf(turn), next) };
}

/** Without a turn and all that follows it; a sibling takes its place where there is one. */
export function without(tree: Tree, id: string): { tree: Tree; gone: string[] } {
  const turn = tree.turns.get(id);
  if (!turn) return { tree, gone: [] };
  const gone: string[] = [];
  const open = [id];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    gone.push(next);
    open.push(...(tree.children.get(next) ?? []));
  }
  const turns = new Map(tree.turns);
  const children = new Map(tree.children);
  const chosen = new Map(tree.chosen);
  for (const each of gone) {
    turns.delete(each);
    children.delete(each);
    chosen.delete(each);
  }
  const key = keyOf(turn);
  const siblings = tree.children.get(key) ?? [];
  const left = siblings.filter((sibling) => sibling !== id);
  children.set(key, left);
  if (chosen.get(key) === id) {
    const neighbour = left[Math.max(0, siblings.indexOf(id) - 1)];
    if (neighbour === undefined) chosen.delete(key);
    else chosen.set(key, neighbour);
  }
  return { tree: { turns, children, chosen }, gone };
}

/** The tree of stored turns, in the order in which they were made. `chosen` as it was kept. */
export function treeOf(turns: Iterable<Turn>, chosen: Iterable<readonly [string, string]>): Tree {
  const rows = [...turns].sort((a, b) => a.at - b.at || (a.role === "user" ? -1 : 1));
  const known = new Map(rows.map((turn) => [turn.id, turn]));
  const children = new Map<string, string[]>();
  for (const turn of rows) {
    // What lost its parent (a write that never came) would be invisible for ever.
    const key = turn.parent !== null && known.has(turn.parent) ? turn.parent : ROOT;
    const siblings = children.get(key);
    if (siblings) siblings.push(turn.id);
    else children.set(key, [turn.id]);
    if (key === ROOT && turn.parent !== null) known.set(turn.id, { ...turn, parent: null });
  }
  const kept = new Map([...chosen].filter(([key, id]) => children.get(key)?.includes(id)));
  return { turns: known, children, chosen: kept };
}
