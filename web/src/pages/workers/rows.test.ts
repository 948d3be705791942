import { describe, expect, it } from "vitest";

import type { HiveRow, LoadRow, WorkerRow } from "@/state";
import { shortDevice, statusOf } from "./rows";

const READY = { status: "ready" } as WorkerRow;
const load = (running: number) => ({ running, slots_busy: null }) as LoadRow;
const hive = (state: HiveRow["state"]) => ({ state }) as HiveRow;

describe("a worker's row", () => {
  it("is busy when it answers, and unknown when its hive is silent", () => {
    expect(statusOf(READY, load(0), hive("fresh"))).toBe("ready");
    expect(statusOf(READY, load(2), hive("fresh"))).toBe("busy");
    expect(statusOf(READY, load(2), hive("degraded"))).toBe("silent");
    expect(statusOf(READY, load(2), hive("down"))).toBe("lost");
  });

  it("names devices by what tells them apart", () => {
    expect(shortDevice("CPU-0")).toBe("CPU");
    expect(shortDevice("GPU-0")).toBe("GPU 0");
    expect(shortDevice("GPU-0,GPU-1")).toBe("GPU 0+1");
  });
});
