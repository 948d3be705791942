import { describe, expect, it } from "vitest";

import type { HiveRow, WorkerRow } from "@/state";

import { layoutComb, neighbour } from "./comb";
import { flowOf, hiveHealth, honeyOf, pictureOf, sentenceOf, shortName } from "./model";
import { layoutTree } from "./tree";

function hive(id: string, more: Partial<HiveRow> = {}): HiveRow {
  return {
    hive_id: id,
    state: "fresh",
    devices: [],
    device_problems: [],
    version: "1",
    outbound_only: false,
    ...more,
  } as HiveRow;
}

function worker(id: string, hive_id: string, more: Partial<WorkerRow> = {}): WorkerRow {
  return { worker_id: id, hive_id, model: "org/Small-1B:Q4", status: "ready", ...more } as WorkerRow;
}

function pictureWith(hives: number, workersEach: number) {
  const rows = Array.from({ length: hives }, (_, at) => hive(`h-${at}`));
  const workers = rows.flatMap((row) =>
    Array.from({ length: workersEach }, (_, at) => worker(`${row.hive_id}-w${at}`, row.hive_id)),
  );
  return pictureOf(
    {
      colony: undefined,
      hives: new Map(rows.map((row) => [row.hive_id, row])),
      nodes: new Map(),
      workers: new Map(workers.map((row) => [row.worker_id, row])),
      loads: new Map(),
    },
    false,
  );
}

describe("what the picture says", () => {
  it("names the gravest trouble of a hive", () => {
    expect(hiveHealth(hive("a"), [], "1")).toEqual(["ok", null]);
    expect(hiveHealth(hive("a", { state: "down" }), [], "1")[0]).toBe("bad");
    expect(hiveHealth(hive("a", { version: "2" }), [], "1")[1]).toContain("version 2");
    expect(hiveHealth(hive("a"), [{ health: "bad", short: "M" }], "1")).toEqual(["bad", "M failed"]);
  });

  it("keeps unknown apart from nothing", () => {
    const node = { beat_at: 1, cpu_pct: 50, ram_used_mb: null, ram_total_mb: null, disk_free_mb: null };
    expect(honeyOf(undefined)).toBeNull();
    expect(honeyOf({ ...node, gpus: [] })).toBe(0.5);
    expect(honeyOf({ ...node, gpus: [["g", null, null, null, null, null]] })).toBeNull();
    expect(
      honeyOf({
        ...node,
        gpus: [
          ["g", 20, null, null, null, null],
          ["h", 60, null, null, null, null],
        ],
      }),
    ).toBe(0.4);
    expect(flowOf(null)).toBe(0);
    expect(flowOf(12)).toBe(1);
  });

  it("orders names as people count, and says it in a sentence", () => {
    const picture = pictureWith(12, 1);
    expect(picture.hives.map((each) => each.id).slice(0, 3)).toEqual(["h-0", "h-1", "h-2"]);
    expect(picture.hives.at(-1)?.id).toBe("h-11");
    expect(sentenceOf(picture)).toBe("The colony: 12 hives, 12 workers.");
    expect(shortName("org/Model-7B-GGUF:Q4_K_M")).toBe("Model-7B");
  });
});

describe("where things stand", () => {
  it("shows the broken and the busy of many workers, and counts the rest", () => {
    const layout = layoutTree(pictureWith(1, 20), 1000, 480);
    expect(layout?.hives[0]?.workers).toHaveLength(5);
    expect(layout?.hives[0]?.more).toBe(15);
    const tight = layoutTree(pictureWith(6, 20), 1000, 480);
    expect(tight?.hives[0]?.more).toBeGreaterThan(15);
    expect(layoutTree(pictureWith(30, 1), 1000, 480)).toBeNull();
  });

  it.each([320, 390, 700, 1440])("keeps all boxes inside %d pixels, and none over another", (width) => {
    const layout = layoutTree(pictureWith(4, 3), width, 2000);
    if (layout === null) throw new Error("there is room for it");
    const boxes = [layout.queen, ...layout.hives, ...layout.hives.flatMap((each) => each.workers)];
    for (const box of boxes) {
      expect(box.x).toBeGreaterThanOrEqual(0);
      expect(box.x + box.w).toBeLessThanOrEqual(width + 0.5);
      expect(box.y + box.h).toBeLessThanOrEqual(layout.height + 0.5);
    }
    for (const [at, a] of boxes.entries())
      for (const b of boxes.slice(at + 1))
        expect(a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h).toBe(false);
  });

  it.each([
    [9, 1200, 480],
    [100, 1200, 480],
    [100, 358, 480],
    [1000, 1200, 480],
  ])("gives %d hives cells of their own in %d × %d", (hives, width, height) => {
    const layout = layoutComb(hives, width, height);
    const all = [layout.queen, ...layout.cells];
    expect(new Set(all.map((cell) => `${Math.round(cell.x)},${Math.round(cell.y)}`)).size).toBe(hives + 1);
    for (const cell of all) {
      expect(cell.x - layout.radius * 0.87).toBeGreaterThanOrEqual(-1);
      expect(cell.x + layout.radius * 0.87).toBeLessThanOrEqual(width + 1);
    }
    if (hives <= 100 && width > 400) expect(layout.height).toBeLessThanOrEqual(height);
  });

  it("walks by arrow keys to the nearest cell that way", () => {
    const cells = [
      { x: 0, y: 0 },
      { x: 10, y: 0 },
      { x: 5, y: 9 },
    ];
    expect(neighbour(cells, 0, "ArrowRight")).toBe(1);
    expect(neighbour(cells, 0, "ArrowDown")).toBe(2);
    expect(neighbour(cells, 0, "ArrowLeft")).toBe(-1);
  });
});
