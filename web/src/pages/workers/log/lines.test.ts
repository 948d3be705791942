import { describe, expect, it } from "vitest";

import { levelOf, LINES_MAX, LogLines } from "./lines";

describe("a log in memory", () => {
  it("knows the levels that engines write, and marks", () => {
    expect(levelOf("llama_model_load: error loading model")).toBe("error");
    expect(levelOf("[warning  ] engine unusable")).toBe("warn");
    expect(levelOf("--- generation 2 ---")).toBe("mark");
    expect(levelOf("compiled with 0 errors")).toBe("plain");
    expect(levelOf("srv  update_slots: all slots are idle")).toBe("plain");
  });

  it("takes the whole log in without repeating what was followed meanwhile", () => {
    const log = new LogLines();
    log.replaceOld(["c"], 6);
    log.append("d", 8);
    log.append("e", 10);
    log.replaceOld(["a", "b", "c", "d"], 8);
    expect(log.text(null)).toBe("a\nb\nc\nd\ne\n");
    log.append("f", 12);
    log.replaceOld(["a", "b", "c", "d", "e", "f"], 12);
    expect(log.text(null)).toBe("a\nb\nc\nd\ne\nf\n");
  });

  it("finds lines by words and levels, all of them where nothing is asked", () => {
    const log = new LogLines();
    log.replaceOld(["Load model", "error: no model", "ready"], 40);
    expect(log.find([], null)).toBeNull();
    expect(log.find(["model"], null)).toEqual([0, 1]);
    expect(log.find([], new Set(["error"]))).toEqual([1]);
    expect(log.text([1])).toBe("error: no model\n");
  });

  it("lets the oldest go when there are too many", () => {
    const log = new LogLines();
    log.replaceOld(
      Array.from({ length: LINES_MAX }, (_, at) => `line ${at}`),
      1,
    );
    log.append("last", 2);
    expect(log.length).toBeLessThanOrEqual(LINES_MAX);
    expect(log.at(log.length - 1)).toBe("last");
    expect(log.dropped).toBeGreaterThan(0);
  });
});
