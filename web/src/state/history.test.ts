/** Ten minutes of figures: one a second, gaps where nothing was known. */
import { beforeEach, describe, expect, it, vi } from "vitest";

import { forgetHistory, history, latest, onTick, POINTS_MAX, record } from "./history";
import { clear, take } from "./store";
import type { NodeRow } from "./types";

function node(util: number | null): NodeRow {
  return {
    beat_at: 1,
    cpu_pct: util,
    ram_used_mb: 1,
    ram_total_mb: 2,
    disk_free_mb: null,
    gpus: [["GPU-0", util, 10, 20, 55, null]],
  };
}

function second(at: number, util: number | null): void {
  take({ type: "delta", at, tables: { nodes: { set: { h: node(util) } } } });
}

beforeEach(() => {
  clear();
  forgetHistory();
});

describe("history", () => {
  it("has a value for each second, oldest first, and NaN for what is unknown", () => {
    second(100, 1);
    second(101, null);
    second(102, 3);
    const found = history("gpu.util_pct", "h/GPU-0");
    expect([...found.t]).toEqual([100, 101, 102]);
    expect([...found.v]).toEqual([1, Number.NaN, 3]);
    expect([...history("gpu.power_w", "h/GPU-0").v]).toEqual([Number.NaN, Number.NaN, Number.NaN]);
    expect(latest("node.cpu_pct", "h")).toBe(3);
    expect(latest("colony.temp_max_c", "queen")).toBeNaN();
  });

  it("counts a second once, however many messages come in it", async () => {
    vi.useFakeTimers();
    let ticks = 0;
    const stop = onTick(() => (ticks += 1));
    for (const at of [100, 100.1, 100.5, 101]) {
      second(at, at);
      await vi.runAllTimersAsync();
    }
    stop();
    vi.useRealTimers();
    expect(history("node.cpu_pct", "h").length).toBe(2);
    expect(ticks).toBe(2);
  });

  it("draws a gap where the stream was away", () => {
    second(100, 1);
    second(130, 2);
    const found = history("node.cpu_pct", "h");
    expect([...found.t]).toEqual([100, 101, 130]);
    expect([...found.v]).toEqual([1, Number.NaN, 2]);
  });

  it("keeps the newest ten minutes, in order", () => {
    for (let at = 0; at < POINTS_MAX + 50; at += 1) second(1000 + at, at);
    const found = history("node.cpu_pct", "h");
    expect(found.length).toBe(POINTS_MAX);
    expect(found.t[0]).toBe(1050);
    expect(found.v[0]).toBe(50);
    expect(found.v[POINTS_MAX - 1]).toBe(POINTS_MAX + 49);
  });

  it("knows nothing of a hive while it is gone", () => {
    second(100, 1);
    take({ type: "delta", at: 101, tables: { nodes: { del: ["h"] } } });
    second(102, 3);
    expect([...history("node.cpu_pct", "h").v]).toEqual([1, Number.NaN, 3]);
  });

  it("begins anew when the queen's clock was set back", () => {
    second(1000, 1);
    record(500);
    expect(history("node.cpu_pct", "h").length).toBe(1);
  });
});
