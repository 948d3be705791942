import { describe, expect, it } from "vitest";

import type { GpuFigures, HiveRow, NodeRow, WorkerRow } from "@/state";

import { findAlerts, type Known } from "./alerts";
import { cpuGroups, gpuGroups, sumUp } from "./gpus";

const NOW = 1_000_000;
const hive = (hive_id: string, more: Partial<HiveRow> = {}) =>
  ({
    hive_id,
    state: "fresh",
    membership: "certificate",
    expires_at: null,
    device_problems: [],
    ...more,
  }) as HiveRow;
const node = (gpus: GpuFigures[], more: Partial<NodeRow> = {}): NodeRow => ({
  beat_at: NOW - 50,
  cpu_pct: 12,
  ram_used_mb: null,
  ram_total_mb: null,
  disk_free_mb: null,
  gpus,
  ...more,
});
const known = (more: Partial<Known>): Known => ({
  colony: undefined,
  hives: [],
  nodes: new Map(),
  workers: [],
  downloads: [],
  joins: [],
  requests: [],
  now: NOW,
  ...more,
});

describe("findAlerts", () => {
  it("says nothing where all is well", () => {
    expect(
      findAlerts(known({ hives: [hive("a")], nodes: new Map([["a", node([["0", 50, 1, 2, 60, 100]])]]) })),
    ).toEqual([]);
  });
  it("tells of a silent hive how long, and of a failed worker why", () => {
    const found = findAlerts(
      known({
        hives: [hive("a", { state: "down" })],
        nodes: new Map([["a", node([])]]),
        workers: [
          { worker_id: "w", model: "m", hive_id: "a", status: "error", reason: "out of memory" } as WorkerRow,
        ],
      }),
    );
    expect(found.map((alert) => [alert.tone, alert.title])).toEqual([
      ["bad", "a has not been heard of for 50 s"],
      ["bad", "A worker of m failed on a"],
    ]);
    expect(found[1]?.text).toBe("out of memory");
  });
  it("keeps quiet about hives that were shut out on purpose", () => {
    expect(findAlerts(known({ hives: [hive("a", { state: "gone", membership: "revoked" })] }))).toEqual([]);
  });
  it("puts what is broken before what is hot", () => {
    const found = findAlerts(
      known({
        hives: [hive("warm"), hive("dead", { state: "gone" })],
        nodes: new Map([["warm", node([["0", 99, 1, 2, 91, 300]])]]),
      }),
    );
    expect(found.map((alert) => alert.id)).toEqual(["silent dead", "hot warm"]);
  });
  it("tells of many silent hives in one line", () => {
    const hives = ["a", "b", "c", "d", "e"].map((id) => hive(id, { state: "down" }));
    expect(findAlerts(known({ hives })).map((alert) => alert.title)).toEqual([
      "5 hives have not been heard of",
    ]);
  });
  it("gathers those who wait long for one model", () => {
    const waiting = { state: "waiting", model: "m", since: NOW - 300, reason: null };
    const found = findAlerts(
      known({
        requests: [
          waiting,
          { ...waiting, since: NOW - 200 },
          { ...waiting, since: NOW - 2 },
        ] as Known["requests"],
      }),
    );
    expect(found.map((alert) => alert.title)).toEqual(["2 requests for m have waited for 5 min"]);
  });
});

describe("the comb's cells", () => {
  const nodes = new Map([
    ["b10", node([["0", 40, 10, 40, 60, 100]])],
    ["b2", node([["0", null, null, 40, null, null]])],
    ["cpu", node([])],
  ]);
  const hives = [hive("b10"), hive("b2"), hive("cpu")];
  it("stand in the order of names, and only hives with GPUs", () => {
    expect(gpuGroups(hives, nodes, "load").map((group) => [group.id, group.cells[0]?.value])).toEqual([
      ["b2", null],
      ["b10", 0.4],
    ]);
    expect(gpuGroups(hives, nodes, "memory")[1]?.cells[0]?.text).toBe("25");
  });
  it("are unknown where the hive is silent", () => {
    expect(gpuGroups([hive("b10", { state: "down" })], nodes, "load")[0]?.cells[0]?.value).toBeNull();
  });
  it("are the processors where no GPU is", () => {
    expect(cpuGroups([hive("cpu")], nodes)[0]?.cells[0]).toMatchObject({ value: 0.12, text: "12" });
  });
  it("add up", () => {
    expect(sumUp(hives, nodes)).toEqual({ gpus: 2, idle: 0, unknown: 1, hottest_c: 60 });
  });
});
