import "fake-indexeddb/auto";

import { IDBFactory } from "fake-indexeddb";
import { beforeEach, describe, expect, it } from "vitest";

import { History, snippet } from "./history";
import { asJson, asMarkdown, fromJson } from "./transfer";
import { EMPTY, pathOf, stepped, withTurn, without } from "./tree";
import { type Chat, factsOf, PLAIN, type Turn } from "./types";

const chat: Chat = {
  id: "c1",
  title: "Bees",
  titled: false,
  createdAt: 1,
  updatedAt: 2,
  panes: [{ model: "starter" }],
  sampling: { ...PLAIN, system: "Be brief." },
  pinned: false,
};

const question: Turn = { id: "q", parent: null, role: "user", text: "What do bees eat?", at: 1 };
const answer: Turn = {
  id: "a",
  parent: "q",
  role: "assistant",
  text: "Nectar and pollen.",
  at: 2,
  facts: factsOf("starter"),
};
const again: Turn = { ...answer, id: "b", text: "Honey.", at: 3 };
const tree = stepped(withTurn(withTurn(withTurn(EMPTY, question), answer), again), "b", -1);

let history: History;
let factory: IDBFactory;

beforeEach(async () => {
  factory = new IDBFactory();
  history = await History.open(factory);
});

describe("the history of a browser", () => {
  it("gives back a chat as it was, its branches and its choice too", async () => {
    await history.putWhole(chat, [tree]);
    const reopened = await History.open(factory);
    expect(await reopened.chats()).toEqual([chat]);
    const [found = EMPTY] = await reopened.trees(chat);
    expect(pathOf(found).map((turn) => turn.text)).toEqual(["What do bees eat?", "Nectar and pollen."]);
    expect(found.turns.size).toBe(3);
  });

  it("lists the last used first", async () => {
    await history.putChat(chat);
    await history.putChat({ ...chat, id: "c2", updatedAt: 9 });
    expect((await history.chats()).map((each) => each.id)).toEqual(["c2", "c1"]);
  });

  it("writes one turn without the others, and takes branches away", async () => {
    await history.putWhole(chat, [tree]);
    await history.putTurn("c1", 0, { ...answer, text: "Nectar." });
    const { tree: left, gone } = without(tree, "b");
    await history.dropTurns("c1", 0, gone);
    await history.putChosen("c1", 0, left);
    const [found = EMPTY] = await history.trees(chat);
    expect(found.turns.size).toBe(2);
    expect(found.turns.get("a")?.text).toBe("Nectar.");
  });

  it("finds chats by words in any order, and shows where", async () => {
    await history.putWhole(chat, [tree]);
    expect(await history.search("POLLEN nectar")).toEqual(new Map([["c1", "Nectar and pollen."]]));
    expect(await history.search("wasps")).toEqual(new Map());
    expect(await history.search("  ")).toEqual(new Map());
  });

  it("forgets one chat, or all", async () => {
    await history.putWhole(chat, [tree]);
    await history.putWhole({ ...chat, id: "c2" }, [tree]);
    await history.drop("c1");
    expect((await history.chats()).map((each) => each.id)).toEqual(["c2"]);
    expect((await history.trees(chat))[0]?.turns.size).toBe(0);
    await history.dropAll();
    expect(await history.chats()).toEqual([]);
    expect(await history.search("nectar")).toEqual(new Map());
  });

  it("works without a database for as long as the page lives", async () => {
    const none = await History.open({
      open: () => {
        throw new Error("denied");
      },
    } as unknown as IDBFactory);
    expect(none.durable).toBe(false);
    await none.putChat(chat);
    expect(await none.chats()).toEqual([]);
  });
});

describe("export and import", () => {
  const ids = () => {
    let n = 0;
    return () => `new${(n += 1)}`;
  };

  it("keeps all branches and never overwrites", () => {
    const [whole] = fromJson(asJson([{ chat, trees: [tree] }], 0), ids());
    expect(whole?.chat).toMatchObject({ title: "Bees", sampling: { system: "Be brief." } });
    expect(whole?.chat.id).not.toBe("c1");
    const found = whole?.trees[0] ?? EMPTY;
    expect(found.turns.size).toBe(3);
    expect(pathOf(found).map((turn) => turn.text)).toEqual(["What do bees eat?", "Nectar and pollen."]);
  });

  it("writes Markdown of what is shown", () => {
    expect(asMarkdown({ chat, trees: [tree] })).toBe(
      "# Bees\n\n> Be brief.\n\n## You\n\nWhat do bees eat?\n\n## starter\n\nNectar and pollen.\n",
    );
  });

  it("refuses what it cannot read, in words", () => {
    expect(() => fromJson("{", ids())).toThrow("no JSON");
    expect(() => fromJson("{}", ids())).toThrow("no export");
    expect(() => fromJson('{"format":"rbee-chat","version":9,"chats":[]}', ids())).toThrow("version 9");
  });

  it("takes no addresses in place of content", () => {
    const bad = {
      ...question,
      attachments: [
        { kind: "image", name: "x", mime: "image/png", url: "https://example.com/pixel.png", bytes: 1 },
      ],
    };
    const text = JSON.stringify({
      format: "rbee-chat",
      version: 1,
      chats: [{ title: "t", panes: [{ model: "m", turns: [bad], chosen: [["__proto__", 3]] }] }],
    });
    const [whole] = fromJson(text, ids());
    expect([...(whole?.trees[0]?.turns.values() ?? [])][0]).not.toHaveProperty("attachments");
  });
});

describe("a snippet", () => {
  it("shows the words around the first one", () => {
    const text = `${"a ".repeat(100)}needle ${"b ".repeat(100)}`;
    const found = snippet(text, ["needle"]);
    expect(found).toMatch(/^….*needle.*…$/);
    expect(found?.length).toBeLessThan(160);
    expect(snippet(text, ["needle", "hay"])).toBeNull();
  });
});
