import { describe, expect, it } from "vitest";

import { type Block, Blocks, blocksOf, readAhead } from "./blocks";
import { lex } from "./grammar";

const TEXT = `# Bees

A *short* answer with \`code\` and a [link](https://example.com).
It goes on.

- one
- two
  with more

1. first
2. second

\`\`\`python
def f(x):

    return x  # not a heading
\`\`\`

| a | b |
|---|---|
| 1 | 2 |

$$
\\int_0^1 x \\, dx
$$

Setext
---

> quoted

Last words.`;

function streamed(text: string, step: number): Block[] {
  const blocks = new Blocks();
  for (let end = step; end < text.length; end += step) blocks.feed(text.slice(0, end), false);
  return blocks.feed(text, true);
}

const shape = (blocks: Block[]) => blocks.map(({ token }) => [token.type, token.raw.trim()]);

describe("a text that comes in pieces", () => {
  const whole = new Blocks().feed(TEXT, true);

  it("is what it is when it comes at once", () => {
    expect(whole.map(({ token }) => token.type)).toEqual([
      "heading",
      "paragraph",
      "list",
      "list",
      "code",
      "table",
      "maths",
      "heading",
      "blockquote",
      "paragraph",
    ]);
    expect(
      lex(TEXT)
        .map((token) => token.raw)
        .join(""),
    ).toBe(TEXT);
  });

  it.each([1, 3, 7, 50])("gives the same blocks in steps of %i characters", (step) => {
    expect(shape(streamed(TEXT, step))).toEqual(shape(whole));
  });

  it("never touches a finished block again", () => {
    const blocks = new Blocks();
    const seen = new Map<number, Block>();
    for (let end = 1; end <= TEXT.length; end += 1) {
      const found = blocks.feed(TEXT.slice(0, end), false);
      for (const block of found.filter((each) => !each.open)) {
        const before = seen.get(block.key);
        if (before) expect(block).toBe(before);
        seen.set(block.key, block);
      }
      expect(found.filter((each) => each.open).length).toBeLessThanOrEqual(1);
    }
    expect(seen.size).toBeGreaterThan(8);
  });

  it("shows an open fence without parsing it, and no half marks", () => {
    const blocks = new Blocks();
    const [block] = blocks.feed("```js\nconst a = 1;\n``", false);
    expect(block?.token).toMatchObject({ type: "code", lang: "js", text: "const a = 1;" });
    expect(blocks.feed("```js\nconst a = 1;\n```\n\nNext", false).map(({ token }) => token.type)).toEqual([
      "code",
      "paragraph",
    ]);
  });

  it("closes marks whose end is still to come", () => {
    const shown = (text: string) =>
      new Blocks().feed(text, false)[0]?.token as unknown as { tokens: { type: string }[] };
    expect(shown("It needs **three thi").tokens.map((each) => each.type)).toEqual(["text", "strong"]);
    expect(shown("It needs **").tokens.map((each) => each.type)).toEqual(["text"]);
    expect(shown("It needs `a ** b").tokens.map((each) => each.type)).toEqual(["text", "codespan"]);
    expect(shown("2 * 3").tokens.map((each) => each.type)).toEqual(["text"]);
  });

  it("shows a formula when it is whole", () => {
    const kinds = (text: string) => new Blocks().feed(text, false).map(({ token }) => token.type);
    expect(kinds("So it is\n\n$$\nx = 1")).toEqual(["paragraph"]);
    expect(kinds("So it is\n\n$$\nx = 1\n$$")).toEqual(["paragraph", "maths"]);
  });

  it("waits with a line that may become a heading or a rule", () => {
    const [block] = new Blocks().feed("Some words\n--", false);
    expect(block?.token).toMatchObject({ type: "paragraph" });
  });

  it("begins anew with another text", () => {
    const blocks = new Blocks();
    blocks.feed("first\n\nsecond\n\n", false);
    expect(blocks.feed("other", true).map(({ token }) => token.raw)).toEqual(["other"]);
  });
});

describe("an answer that goes on after its end", () => {
  it("goes on in its last block", () => {
    const blocks = new Blocks();
    blocks.feed("one\n\ntwo is", true);
    expect(blocks.feed("one\n\ntwo is more", false).map(({ token }) => token.raw.trim())).toEqual([
      "one",
      "two is more",
    ]);
  });
});

describe("an answer that goes on after its end, long", () => {
  const text = Array.from({ length: 60 }, (_, index) => `## Part ${index}\n\nSome words.\n\n`).join("");

  it("keeps all blocks but the last", () => {
    const blocks = new Blocks();
    const before = blocks.feed(text, true);
    const after = blocks.feed(`${text}More`, false);
    expect(after.slice(0, before.length - 1)).toEqual(before.slice(0, -1));
    after.slice(0, before.length - 1).forEach((block, index) => expect(block).toBe(before[index]));
  });

  it("is at its end what it is when it comes at once", () => {
    for (const end of [text.length, text.length - 3, 7, 1]) {
      const blocks = new Blocks();
      blocks.feed(text.slice(0, end), true);
      blocks.feed(text.slice(0, end + 40), false);
      expect(shape(blocks.feed(text, true))).toEqual(shape(new Blocks().feed(text, true)));
    }
  });

  it("is the same array while nothing comes", () => {
    const blocks = new Blocks();
    expect(blocks.feed(text, true)).toBe(blocks.feed(text, true));
  });
});

describe("a long text that is opened", () => {
  const paragraph = "Some words of a paragraph. ".repeat(10);
  const text = Array.from({ length: 250 }, (_, index) => `${index}: ${paragraph}\n\n`).join("");

  it("is read in parts, and then known", async () => {
    let pauses = 0;
    await readAhead("long", text, () => Promise.resolve((pauses += 1) > 0));
    expect(pauses).toBeGreaterThan(3);
    expect(blocksOf("long").knows(text)).toBe(true);
    expect(shape(blocksOf("long").feed(text, true))).toEqual(shape(new Blocks().feed(text, true)));
    await readAhead("long", text, () => Promise.reject(new Error("It is known already.")));
  });

  it("is left when another chat is opened meanwhile, and whole when it is shown after all", async () => {
    await readAhead("left", text, () => Promise.resolve(false));
    expect(blocksOf("left").knows(text)).toBe(false);
    expect(blocksOf("left").feed(text, true)).toHaveLength(250);
  });
});

describe("long tails", () => {
  it("cut a list between its items", () => {
    const list = Array.from({ length: 400 }, (_, index) => `- item ${index} with some words in it\n`).join(
      "",
    );
    const blocks = new Blocks();
    let longest = 0;
    for (let end = 0; end < list.length; end += 60) {
      const found = blocks.feed(list.slice(0, end), false);
      longest = Math.max(longest, found.filter((each) => each.open)[0]?.token.raw.length ?? 0);
    }
    expect(longest).toBeLessThan(4_200);
    const found = blocks.feed(list, true);
    expect(found.map(({ token }) => token.raw).join("")).toBe(list);
    expect(found.length).toBeGreaterThan(3);
  });

  it("keep the numbers of a list that was cut", () => {
    const list = Array.from({ length: 200 }, (_, index) => `${index + 1}. item with some words in it\n`).join(
      "",
    );
    const found = streamed(list, 97);
    const second = found[1]?.token as unknown as { start: number };
    expect(found.length).toBeGreaterThan(1);
    expect(second.start).toBeGreaterThan(50);
  });
});

describe("maths", () => {
  const kinds = (text: string) => {
    const [token] = lex(text) as unknown as { tokens?: { type: string; tex?: string }[] }[];
    return (token?.tokens ?? []).map((each) => each.tex ?? each.type);
  };

  it("stands between dollars or brackets", () => {
    expect(kinds("so $x^2$ and \\(y\\)")).toEqual(["text", "x^2", "text", "y"]);
  });

  it("is no price", () => {
    expect(kinds("It costs $5 or $10 each.")).toEqual(["text"]);
    expect(kinds("from $20 to $30")).toEqual(["text"]);
  });

  it("is nothing in code", () => {
    expect(kinds("`$x$`")).toEqual(["codespan"]);
  });
});
