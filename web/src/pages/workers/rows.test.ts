import { describe, expect, it } from "vitest";

import type { HiveRow, LoadRow, WorkerRow } from "@/state";
import { rowsOf, shortPlace, statusOf } from "./rows";

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

  it("is the same one as long as only its figures change", () => {
    const workers = new Map([["w", { ...READY, hive_id: "h" }]]);
    const hives = new Map([["h", hive("fresh")]]);
    const idle = rowsOf(workers, new Map([["w", load(0)]]), hives);
    const still = rowsOf(workers, new Map([["w", load(0)]]), hives, idle);
    expect(still.get("w")).toBe(idle.get("w"));
    const busy = rowsOf(workers, new Map([["w", load(1)]]), hives, still);
    expect(busy.get("w")).not.toBe(still.get("w"));
    expect(busy.get("w")?.status).toBe("busy");
    expect(rowsOf(new Map(), new Map(), hives, busy).size).toBe(0);
  });

  it("names devices by what tells them apart", () => {
    expect(shortPlace("CPU-0")).toBe("CPU");
    expect(shortPlace("GPU-0")).toBe("GPU 0");
    expect(shortPlace("GPU-0,GPU-1")).toBe("GPU 0+1");
  });
});
