/** The store's rule: what listeners see is the queen's tables, and they hear only of what changed. */
import { beforeAll, beforeEach, describe, expect, it, vi } from "vitest";

import {
  clear,
  getConnection,
  getRow,
  getTable,
  isStale,
  serverNow,
  setConnection,
  subscribe,
  take,
} from "./store";
import type { HiveRow, LoadRow, Message, WorkerRow } from "./types";

const hive = (state: HiveRow["state"]) => ({ hive_id: "h", state }) as HiveRow;
const worker = (id: string) => ({ worker_id: id, hive_id: "h" }) as WorkerRow;
const load = (busy: number) => ({ slots_busy: busy }) as LoadRow;

function snapshot(tables: Extract<Message, { type: "snapshot" }>["tables"], at = Date.now() / 1000): Message {
  return { type: "snapshot", at, tables };
}

function delta(tables: Extract<Message, { type: "delta" }>["tables"], at = Date.now() / 1000): Message {
  return { type: "delta", at, tables };
}

beforeAll(() => {
  vi.useFakeTimers();
});

beforeEach(async () => {
  clear();
  await vi.runAllTimersAsync();
});

describe("tables", () => {
  it("are what a snapshot and its deltas say", () => {
    take(snapshot({ workers: { a: worker("a"), b: worker("b") }, loads: { a: load(1), b: load(2) } }));
    take(delta({ loads: { set: { a: load(3) } }, workers: { del: ["b"] } }));
    expect([...getTable("workers").keys()]).toEqual(["a"]);
    expect(getRow("loads", "a")?.slots_busy).toBe(3);
    expect(getRow("loads", "b")?.slots_busy).toBe(2);
  });

  it("keep the identity of rows and tables that did not change", () => {
    take(snapshot({ workers: { a: worker("a"), b: worker("b") }, loads: { a: load(1) } }));
    const [workers, loads, b] = [getTable("workers"), getTable("loads"), getRow("workers", "b")];
    take(delta({ workers: { set: { a: worker("a") } } }));
    expect(getTable("workers")).not.toBe(workers);
    expect(getRow("workers", "b")).toBe(b);
    expect(getTable("loads")).toBe(loads);
  });

  it("are forgotten where a later snapshot has none: a reader's, or another queen's", () => {
    take(snapshot({ joins: {}, workers: { a: worker("a") } }));
    take(snapshot({}));
    expect(getTable("workers").size).toBe(0);
  });
});

describe("listeners", () => {
  it("hear once of several messages, and only of their tables", async () => {
    const workers = vi.fn();
    const loads = vi.fn();
    take(snapshot({}));
    await vi.runAllTimersAsync();
    const stop = subscribe("workers", workers);
    subscribe("loads", loads);
    take(delta({ workers: { set: { a: worker("a") } } }));
    take(delta({ workers: { set: { b: worker("b") } } }));
    expect(workers).not.toHaveBeenCalled();
    await vi.runAllTimersAsync();
    expect(workers).toHaveBeenCalledTimes(1);
    expect(loads).not.toHaveBeenCalled();
    stop();
    take(delta({ workers: { del: ["a"] } }));
    await vi.runAllTimersAsync();
    expect(workers).toHaveBeenCalledTimes(1);
  });

  it("that left before their turn are not woken, and one that fails stops no other", async () => {
    const reported = vi.fn();
    vi.stubGlobal("reportError", reported);
    const [gone, last] = [vi.fn(), vi.fn()];
    const mend = subscribe("jobs", () => {
      throw new Error("a chart that fails");
    });
    const leave = subscribe("jobs", gone);
    subscribe("jobs", last);
    take(delta({ jobs: { del: ["j"] } }));
    leave();
    await vi.runAllTimersAsync();
    expect([gone, last, reported].map((one) => one.mock.calls.length)).toEqual([0, 1, 1]);
    mend();
    vi.unstubAllGlobals();
  });
});

describe("age", () => {
  it("is reckoned by the queen's clock", () => {
    take(snapshot({}, Date.now() / 1000 + 3600));
    expect(serverNow()).toBeCloseTo(Date.now() / 1000 + 3600, 1);
  });

  it("greys out the rows of a hive that has missed its beats, and all of them without a stream", () => {
    take(snapshot({ hives: { h: hive("fresh") }, workers: { a: worker("a") } }));
    expect(isStale("loads", "a")).toBe(false);
    take(delta({ hives: { set: { h: hive("degraded") } } }));
    expect([isStale("loads", "a"), isStale("nodes", "h"), isStale("jobs", "j")]).toEqual([true, true, false]);
    setConnection({ ...getConnection(), state: "lost" });
    expect(isStale("jobs", "j")).toBe(true);
  });
});
