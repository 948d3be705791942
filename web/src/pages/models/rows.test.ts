import { describe, expect, it } from "vitest";

import type { DownloadRow, HiveRow, ModelRow } from "@/state";
import { cellAt, holdersOf, linesOf, shareOf, sizeOf, wordOf } from "./rows";

function model(hive: string, more: Partial<ModelRow> = {}): [string, ModelRow] {
  const row = {
    hive_id: hive,
    model_id: "org/m:m.gguf",
    name: "m",
    status: "available",
    size_bytes: 10,
    loaded: false,
  };
  return [`${hive}/org/m:m.gguf`, { ...row, ...more } as ModelRow];
}

function download(hive: string, more: Partial<DownloadRow> = {}): [string, DownloadRow] {
  const row = {
    hive_id: hive,
    model: "org/m:m.gguf",
    name: "m",
    state: "running",
    phase: "download",
    bytes: 3,
    total: 12,
  };
  return [`${hive}/org/m:m.gguf`, { ...row, ...more } as DownloadRow];
}

describe("the matrix of models and hives", () => {
  it("says of each hive what it has, and of the others nothing", () => {
    const models = new Map([model("a", { loaded: true }), model("b"), model("c", { status: "downloading" })]);
    const [line] = linesOf(models, new Map([download("c"), download("d", { state: "paused" })]));
    if (!line) throw new Error("no line");
    const words = ["a", "b", "c", "d", "e"].map((hive) => wordOf(cellAt(line, hive)));
    expect(words).toEqual(["loaded", "on disk", "downloading", "paused", "not here"]);
    expect([line.onDisk, line.loaded, line.coming]).toEqual([2, 1, true]);
  });

  it("knows a model that only comes, and how much of it is here", () => {
    const [line] = linesOf(new Map(), new Map([download("a")]));
    expect(line && sizeOf(line)).toBe(12);
    expect(shareOf(line?.cells.get("a")?.download)).toBe(0.25);
    expect(shareOf(undefined)).toBeNull();
  });

  it("an interrupted file that nobody fetches is incomplete, and no source for others", () => {
    const [line] = linesOf(new Map([model("a", { status: "downloading" }), model("b")]), new Map());
    if (!line) throw new Error("no line");
    expect(wordOf(cellAt(line, "a"))).toBe("incomplete");
    const hives = new Map(["a", "b"].map((id) => [id, { hive_id: id, state: "fresh" } as HiveRow]));
    expect(holdersOf(line, hives)).toEqual(["b"]);
  });
});
