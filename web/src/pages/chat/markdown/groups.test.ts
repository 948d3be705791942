import { describe, expect, it } from "vitest";

import { Blocks } from "./blocks";
import { GROUP_LINES, type Groups, linesOf } from "./groups";

const TEXT = Array.from(
  { length: 200 },
  (_, index) => `## Part ${index}\n\nSome words of a paragraph.\n\n- one\n- two\n\n`,
).join("");

const flat = (groups: ReturnType<Groups["of"]>) => groups.flatMap((group) => [...group.blocks]);

describe("the groups of a text that grows", () => {
  it("hold all blocks, in their order", () => {
    const blocks = new Blocks();
    const groups = blocks.grouped(TEXT, true);
    expect(flat(groups)).toEqual(blocks.feed(TEXT, true));
    expect(groups.map((group) => group.key)).toEqual(groups.map((_, index) => index));
    expect(groups.length).toBeGreaterThan(20);
  });

  it("are never made anew once they are full", () => {
    const blocks = new Blocks();
    let before = blocks.grouped("", false);
    for (let end = 1; end < TEXT.length; end += 61) {
      const groups = blocks.grouped(TEXT.slice(0, end), false);
      for (const [index, group] of before.slice(0, -1).entries()) expect(groups[index]).toBe(group);
      before = groups;
    }
    const ended = blocks.grouped(TEXT, true);
    expect(ended[3]).toBe(before[3]);
    expect(ended.map((group) => group.lines)).not.toContain(null);
  });

  it("are the same whether the text came in pieces or at once", () => {
    const blocks = new Blocks();
    for (let end = 1; end < TEXT.length; end += 97) blocks.grouped(TEXT.slice(0, end), false);
    const sizes = (made: Blocks) => made.grouped(TEXT, true).map((group) => group.blocks.length);
    expect(sizes(blocks)).toEqual(sizes(new Blocks()));
  });

  it("are about a screen each; a long block is one by itself", () => {
    for (const group of new Blocks().grouped(TEXT, true)) {
      expect(group.lines).toBeLessThan(2 * GROUP_LINES);
    }
    const code = `\`\`\`\n${"line\n".repeat(500)}\`\`\`\n\nWords.\n`;
    expect(new Blocks().grouped(code, true).map((group) => group.blocks.length)).toEqual([1, 1]);
  });

  it("forget only what is no longer there", () => {
    const blocks = new Blocks();
    const before = blocks.grouped(TEXT, true);
    const after = blocks.grouped(`${TEXT}And more.`, false);
    before.slice(0, -1).forEach((group, index) => expect(after[index]).toBe(group));
    expect(flat(blocks.grouped("Another text.", true)).length).toBe(1);
  });
});

describe("the height of a block, in lines", () => {
  it("is that of its lines, of which a long one takes several", () => {
    expect(linesOf("# A heading\n\n")).toBe(1.5);
    expect(linesOf("- one\n- two\n- three\n")).toBe(3.5);
    expect(linesOf("word ".repeat(100))).toBe(6.5);
  });
});
