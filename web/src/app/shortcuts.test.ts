import { describe, expect, it } from "vitest";

import { chordOf, match, type Shortcut } from "./shortcuts";

const made = (keys: string): Shortcut => ({ keys, label: keys, group: "", run: () => undefined });
const ALL = [made("g w"), made("g h"), made("w"), made("mod+k"), made("?")];

describe("match", () => {
  it("waits for the second key of a sequence, then runs it", () => {
    expect(match(ALL, "", "g")).toEqual({ run: null, waits: true });
    expect(match(ALL, "g", "w").run?.keys).toBe("g w");
  });
  it("runs a single key after a sequence that came to nothing", () => {
    expect(match(ALL, "g", "?").run?.keys).toBe("?");
  });
  it("lets the later of two with the same keys win", () => {
    const later = made("w");
    expect(match([...ALL, later], "", "w").run).toBe(later);
  });
});

describe("chordOf", () => {
  it("names Ctrl and Command alike", () => {
    const press = { key: "K", altKey: false, ctrlKey: false, metaKey: false };
    expect(chordOf({ ...press, ctrlKey: true })).toBe("mod+k");
    expect(chordOf({ ...press, metaKey: true })).toBe("mod+k");
    expect(chordOf({ ...press, key: "?" })).toBe("?");
  });
});
