import { describe, expect, it } from "vitest";

import { EMPTY, pathOf, pathTo, placeOf, stepped, treeOf, withTurn, without } from "./tree";
import type { Role, Turn } from "./types";

let clock = 0;

function turn(id: string, parent: string | null, role: Role = "user"): Turn {
  return { id, parent, role, text: id, at: (clock += 1) };
}

function ids(turns: Turn[]): string {
  return turns.map((each) => each.id).join(" ");
}

const asked = withTurn(withTurn(EMPTY, turn("q1", null)), turn("a1", "q1", "assistant"));

describe("a conversation's tree", () => {
  it("shows the turns in order", () => {
    expect(ids(pathOf(withTurn(asked, turn("q2", "a1"))))).toBe("q1 a1 q2");
    expect(pathOf(EMPTY)).toEqual([]);
  });

  it("keeps a new try beside the first one, and shows it", () => {
    const tree = withTurn(asked, turn("a1b", "q1", "assistant"));
    expect(ids(pathOf(tree))).toBe("q1 a1b");
    expect(placeOf(tree, "a1b")).toMatchObject({ at: 1, of: 2 });
    expect(ids(pathOf(stepped(tree, "a1b", -1)))).toBe("q1 a1");
    expect(stepped(tree, "a1b", 1)).toBe(tree);
  });

  it("keeps what followed an edited question in its own branch", () => {
    const longer = withTurn(asked, turn("q2", "a1"));
    const edited = withTurn(longer, turn("q1b", null));
    expect(ids(pathOf(edited))).toBe("q1b");
    expect(ids(pathOf(stepped(edited, "q1b", -1)))).toBe("q1 a1 q2");
  });

  it("knows the way to a turn in any branch", () => {
    const tree = withTurn(withTurn(asked, turn("q2", "a1")), turn("q1b", null));
    expect(ids(pathTo(tree, "q2"))).toBe("q1 a1");
    expect(pathTo(tree, "q1b")).toEqual([]);
  });

  it("replaces a turn's words without moving it", () => {
    const tree = withTurn(asked, { ...turn("a1", "q1", "assistant"), text: "more" });
    expect(pathOf(tree).at(-1)?.text).toBe("more");
    expect(placeOf(tree, "a1").of).toBe(1);
  });

  it("takes away a branch and shows the sibling", () => {
    const tree = withTurn(withTurn(asked, turn("a1b", "q1", "assistant")), turn("q2", "a1b"));
    const found = without(tree, "a1b");
    expect(found.gone.sort()).toEqual(["a1b", "q2"]);
    expect(ids(pathOf(found.tree))).toBe("q1 a1");
    expect(without(found.tree, "q1").tree.turns.size).toBe(0);
  });

  it("comes back from rows in any order, with its choice", () => {
    const tree = withTurn(asked, turn("a1b", "q1", "assistant"));
    const kept = stepped(tree, "a1b", -1);
    const rows = [...kept.turns.values()].reverse();
    expect(ids(pathOf(treeOf(rows, kept.chosen)))).toBe("q1 a1");
    expect(ids(pathOf(treeOf(rows, [])))).toBe("q1 a1b");
  });

  it("shows a turn whose parent was never written", () => {
    expect(ids(pathOf(treeOf([turn("lost", "nowhere")], [])))).toBe("lost");
  });
});
