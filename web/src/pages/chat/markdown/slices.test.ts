import { describe, expect, it } from "vitest";

import { highlight } from "./highlight";
import { colouredSlices, slices, SLICE_LINES, withColours } from "./slices";

const CODE = Array.from(
  { length: 150 },
  (_, n) => `def step_${n}():\n    return "${n}"  # so it is\n\n`,
).join("");

/** Its string goes over the edge of a slice. */
const ACROSS = `a = 1\n${"\n".repeat(SLICE_LINES - 3)}text = """one\ntwo\nthree"""\nb = 2\n`;

describe("slices of code", () => {
  it.each([CODE, ACROSS, "", "one line", "\n".repeat(SLICE_LINES)])("are the code when joined", (code) => {
    expect(slices(code).join("")).toBe(code);
  });

  it("have the same number of lines, so a finished one never changes", () => {
    const found = slices(CODE);
    expect(found.slice(0, -1).map((each) => each.split("\n").length - 1)).toEqual(
      found.slice(0, -1).map(() => SLICE_LINES),
    );
    const longer = slices(`${CODE}more\nand more`);
    expect(longer.slice(0, found.length - 1)).toEqual(found.slice(0, -1));
  });
});

describe("colours of slices", () => {
  it.each([CODE, ACROSS, ""])("are of the very same text", (code) => {
    const found = colouredSlices(highlight(code, "python") ?? []);
    expect(found.map((each) => each.text)).toEqual(slices(code));
    expect(found.map((each) => each.pieces.map(([text]) => text).join(""))).toEqual(slices(code));
  });

  it("go on over the edge of a slice", () => {
    const [first, second] = colouredSlices(highlight(ACROSS, "python") ?? []);
    expect(first?.pieces.at(-1)?.[1]).toBe("hljs-string");
    expect(second?.pieces[0]?.[1]).toBe("hljs-string");
  });

  it("keep the slices of which nothing changed", () => {
    const before = colouredSlices(highlight(CODE.slice(0, 4_000), "python") ?? []);
    const whole = colouredSlices(highlight(CODE, "python") ?? []);
    const from = before.length - 2;
    const after = withColours(before, from, whole.slice(from));
    expect(after).toEqual(whole);
    before.slice(0, -1).forEach((each, index) => expect(after[index]).toBe(each));
    expect(after[before.length - 1]).not.toBe(before.at(-1));
  });
});
