import { describe, expect, it } from "vitest";

import type { EventRow } from "@/state";
import { groupOf, passes, targetOf, verbOf } from "./kinds";

const EVENT: EventRow = {
  seq: 1,
  at: 0,
  level: "warning",
  kind: "worker_crashed",
  subject: "w-1",
  message: "It died.",
  hive_id: "far",
};
const ALL = { group: "", level: "", subject: "" };

describe("events", () => {
  it("say what they are about", () => {
    expect([groupOf("worker_crashed"), verbOf("worker_crashed")]).toEqual(["worker", "crashed"]);
    expect([groupOf("colony"), verbOf("colony")]).toEqual(["colony", "colony"]);
  });

  it("lead to the thing", () => {
    expect(targetOf(EVENT)).toEqual({ to: "/workers", search: { worker: "w-1" } });
    expect(targetOf({ ...EVENT, kind: "download_failed", subject: "bee" })?.search).toEqual({ model: "bee" });
    expect(targetOf({ ...EVENT, kind: "colony_busy" })).toBeNull();
  });

  it("pass filters by level and above, group and subject", () => {
    expect(passes(EVENT, ALL)).toBe(true);
    expect(passes(EVENT, { ...ALL, level: "warning" })).toBe(true);
    expect(passes(EVENT, { ...ALL, level: "error" })).toBe(false);
    expect(passes(EVENT, { ...ALL, group: "hive" })).toBe(false);
    expect(passes(EVENT, { ...ALL, subject: "far" })).toBe(true);
    expect(passes(EVENT, { ...ALL, subject: "near" })).toBe(false);
  });
});
