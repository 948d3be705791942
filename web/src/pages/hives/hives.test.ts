import { describe, expect, it } from "vitest";

import type { HiveRow, WorkerRow } from "@/state";

import { clock, joinLine } from "./add/line";
import { devicesOf, grouped, memoryPair } from "./groups";
import { sentence, stateOf, troublesOf, type Seen } from "./troubles";

const NOW = 1_790_000_000;
const SEEN: Seen = { beatAt: NOW - 1, diskFreeMb: 500_000, queenVersion: "1", now: NOW, workers: [] };

function hive(more: Partial<HiveRow> = {}): HiveRow {
  return {
    hive_id: "a",
    state: "fresh",
    version: "1",
    labels: [],
    devices: [],
    device_problems: [],
    engines: [],
    membership: "open",
    expires_at: null,
    ...more,
  } as unknown as HiveRow;
}

function gpu(name: string, reason: string | null = null) {
  return { id: "GPU-0", name, device_type: "cuda", vendor: "nvidia", reason } as HiveRow["devices"][number];
}

describe("troubles", () => {
  it("finds none where nothing is wrong", () => {
    expect(troublesOf(hive({ devices: [gpu("RTX")] }), SEEN)).toEqual([]);
    expect(stateOf(hive(), [])).toEqual({ word: "up", tone: "ok" });
  });

  it("tells the gravest first, each with what helps", () => {
    const worker = { worker_id: "w", model: "org/M", status: "error", reason: "no memory" } as WorkerRow;
    const found = troublesOf(
      hive({ version: "2", device_problems: [{ vendor: "nvidia", reason: "driver not loaded" }] }),
      { ...SEEN, workers: [worker], diskFreeMb: 100 },
    );
    expect(found.map((each) => each.tone)).toEqual(["bad", "warn", "warn", "warn"]);
    expect(found[0]?.reason).toBe("no memory");
    expect(found.every((each) => each.remedy.length > 10 && each.short.length < 30)).toBe(true);
    expect(stateOf(hive(), found)).toEqual({ word: "trouble", tone: "bad" });
  });

  it("says since when a hive is silent, and how to start it", () => {
    const [down] = troublesOf(hive({ state: "down" }), { ...SEEN, beatAt: NOW - 200 });
    expect(down?.short).toBe("down for 3 min 20 s");
    expect(down?.command).toBe("rbee hive start");
    const [never] = troublesOf(hive({ state: "down" }), { ...SEEN, beatAt: null });
    expect(never?.reason).toContain("none since the queen started");
  });

  it("warns of a certificate only when its renewal is late", () => {
    const joined = hive({ membership: "certificate", expires_at: NOW + 25 * 86_400 });
    expect(troublesOf(joined, SEEN)).toEqual([]);
    expect(troublesOf({ ...joined, expires_at: NOW + 3 * 86_400 }, SEEN)[0]?.tone).toBe("warn");
    expect(troublesOf({ ...joined, expires_at: NOW - 5 }, SEEN)[0]?.tone).toBe("bad");
  });

  it("makes sentences of half ones", () => {
    expect(sentence("it is not installed")).toBe("It is not installed.");
    expect(sentence(null)).toBeNull();
  });
});

describe("the list", () => {
  it("groups by devices, those without any last", () => {
    const rows = [
      hive({ hive_id: "c" }),
      hive({ hive_id: "b", devices: [gpu("NVIDIA GeForce RTX 4090"), gpu("NVIDIA GeForce RTX 4090")] }),
    ];
    expect(grouped(rows, "device").map((group) => group.title)).toEqual(["2 × RTX 4090", "CPU only"]);
    expect(grouped(rows, "")).toHaveLength(1);
    expect(devicesOf(rows[0] ?? hive())).toBe("CPU only");
  });

  it("says a unit once", () => {
    expect(memoryPair(476_160, 655_360)).toBe("465 / 640 GiB");
    expect(memoryPair(184, 46_080)).toBe("184 MiB / 45 GiB");
    expect(memoryPair(null, 46_080)).toBe("– / 45 GiB");
  });
});

describe("the line to paste", () => {
  it("joins and starts, in the shell's own words", () => {
    const line = { token: "rbee1.a.b.c", name: "lab-2" };
    expect(joinLine("https://q:7833", line, "sh")).toBe(
      "rbee hive join https://q:7833 --token rbee1.a.b.c --hive-id lab-2 && rbee hive start",
    );
    expect(joinLine("https://q:7833", { ...line, name: "" }, "powershell")).toBe(
      "rbee hive join https://q:7833 --token rbee1.a.b.c; if ($?) { rbee hive start }",
    );
  });

  it("counts down in minutes, hours and days", () => {
    expect([3599, 59.2, 0, 7200, 6 * 86_400 + 82_800].map(clock)).toEqual([
      "59:59",
      "01:00",
      "00:00",
      "2:00:00",
      "6 d 23 h",
    ]);
  });
});
