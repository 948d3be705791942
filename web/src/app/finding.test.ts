import { describe, expect, it } from "vitest";

import { findThings } from "./finding";

const MODELS = [
  { model_id: "qwen3-8b", name: "Qwen3 8B" },
  { model_id: "qwen3-8b", name: "Qwen3 8B" },
];
const HIVES = [{ hive_id: "atlas", hostname: "box", state: "fresh" as const }];
const WORKERS = Array.from({ length: 40 }, (_, at) => ({
  worker_id: `w${at}`,
  model: "qwen3-8b",
  hive_id: "atlas",
  device: "cuda:0",
  status: "ready" as const,
}));

describe("findThings", () => {
  it("finds nothing by one letter", () => {
    expect(findThings("a", MODELS, HIVES, WORKERS)).toEqual([]);
  });
  it("tells a model once, however many hives have it, and few workers", () => {
    const found = findThings("QWEN", MODELS, HIVES, WORKERS);
    expect(found.map((each) => [each.heading, each.things.length])).toEqual([
      ["Models", 1],
      ["Workers", 6],
    ]);
  });
  it("wants every word", () => {
    expect(findThings("atlas w7", MODELS, HIVES, WORKERS).map((each) => each.things[0]?.id)).toEqual([
      "worker w7",
    ]);
  });
});
