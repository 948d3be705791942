import { describe, expect, it } from "vitest";

import type { RequestRow } from "@/state";
import { doorOf, matches, summaryOf, tookS, turnOf, waitedS } from "./rows";

const ROW: RequestRow = {
  job_id: "job-1",
  model: "bee",
  state: "waiting",
  position: 2,
  eta_s: 3,
  since: 100,
  started_at: null,
  ended_at: null,
  client: "alice",
  priority: 0,
  worker_id: null,
  hive_id: null,
  reason: null,
  door: "/v1/chat/completions",
};
const row = (more: Partial<RequestRow>): RequestRow => ({ ...ROW, ...more });

describe("requests", () => {
  it("stand in the order of the queue", () => {
    const rows = [
      row({ job_id: "old", state: "completed", ended_at: 50 }),
      row({ job_id: "run", state: "running", since: 90 }),
      row({ job_id: "second", position: 2 }),
      row({ job_id: "new", state: "failed", ended_at: 60 }),
      row({ job_id: "longest", state: "running", since: 10 }),
      row({ job_id: "first", position: 1 }),
    ];
    const order = rows.toSorted((a, b) => turnOf(a) - turnOf(b)).map((one) => one.job_id);
    expect(order).toEqual(["first", "second", "longest", "run", "new", "old"]);
  });

  it("know how long they waited and took", () => {
    expect(waitedS(row({}), 104)).toBe(4);
    expect(waitedS(row({ state: "running", started_at: 101 }), 104)).toBe(1);
    expect(waitedS(row({ state: "failed", ended_at: 103 }), 104)).toBeNull();
    expect(tookS(row({ state: "completed", ended_at: 102.5 }), 104)).toBe(2.5);
  });

  it("are filtered by what they do", () => {
    expect(matches(row({}), "open")).toBe(true);
    expect(matches(row({ state: "cancelled" }), "open")).toBe(false);
    expect(matches(row({ state: "cancelled" }), "ended")).toBe(true);
    expect(matches(row({}), "running")).toBe(false);
    expect(matches(row({}), "all")).toBe(true);
  });

  it("are called by what people ask for", () => {
    expect(doorOf("/v1/chat/completions")).toBe("chat");
    expect(doorOf("/v1/other")).toBe("/v1/other");
    expect(doorOf(null)).toBeNull();
  });

  it("are summed up with the longest wait", () => {
    const span = (seconds: number) => `${seconds} s`;
    expect(summaryOf([], 104, span)).toBe("0 running · 0 waiting");
    expect(summaryOf([row({}), row({ since: 92 })], 104, span)).toBe(
      "0 running · 2 waiting, the longest for 12 s",
    );
  });
});
