import { describe, expect, it } from "vitest";

import { Meter } from "./meter";

const word = { kind: "text", text: "x" } as const;

describe("the figures of an answer", () => {
  it("go from asking over waiting and reading to writing", () => {
    const meter = new Meter(1_000);
    expect(meter.phase).toBe("asking");
    meter.take({ kind: "waiting", position: 2, etaS: 14, reason: "busy" }, 4_000);
    expect(meter.phase).toBe("waiting");
    expect(meter.queue).toMatchObject({ position: 2, etaS: 14, at: 4_000 });
    meter.take({ kind: "prefill", done: 0, total: 100, cached: 0, ms: 0 }, 6_000);
    expect(meter.phase).toBe("prefill");
    expect(meter.waited()).toBe(5_000);
    meter.take(word, 7_000);
    expect(meter.phase).toBe("writing");
    expect(meter.firstMs).toBe(6_000);
  });

  it("count what the cache knew as read and tell when the rest will be", () => {
    const meter = new Meter(0);
    meter.take({ kind: "prefill", done: 600, total: 1_100, cached: 100, ms: 5_000 }, 5_000);
    expect(meter.prefill).toMatchObject({ share: 0.5, etaS: 5 });
  });

  it("tell the rate of the last two seconds, and nothing of the first word", () => {
    const meter = new Meter(0);
    meter.take(word, 100);
    expect(meter.perS(100)).toBeNull();
    for (let at = 200; at <= 10_000; at += 100) meter.take(word, at);
    expect(meter.perS(10_000)).toBeCloseTo(10, 0);
    for (let at = 10_010; at <= 13_000; at += 10) meter.take(word, at);
    expect(meter.perS(13_000)).toBeCloseTo(100, 0);
  });

  it("fall while nothing comes", () => {
    const meter = new Meter(0);
    for (let at = 0; at <= 1_000; at += 100) meter.take(word, at);
    expect(meter.perS(5_000) ?? 99).toBeLessThan(3);
  });

  it("take the engine's own at the end", () => {
    const meter = new Meter(0);
    for (let at = 0; at <= 1_000; at += 100) meter.take(word, at);
    meter.take({ kind: "usage", prompt: 32, completion: 12, cached: 3 }, 1_000);
    meter.end(1_000);
    expect(meter.tokens).toBe(12);
    expect(meter.perS(1_000)).toBeCloseTo(11, 1);
    meter.take({ kind: "timings", prefillPerS: 54, tokensPerS: 29.4 }, 1_000);
    expect(meter.perS(1_000)).toBe(29.4);
  });

  it("add to what an answer goes on with", () => {
    const meter = new Meter(0, 40);
    for (let at = 0; at <= 1_000; at += 100) meter.take(word, at);
    meter.end(1_000);
    expect(meter.tokens).toBe(51);
    expect(meter.perS(1_000)).toBeCloseTo(10, 1);
  });

  it("know a wait in mid-answer from the first one", () => {
    const meter = new Meter(0);
    meter.take(word, 500);
    meter.take({ kind: "waiting", position: 1, etaS: null, reason: "the model is loading" }, 900);
    expect(meter.phase).toBe("writing");
    expect(meter.queue?.reason).toBe("the model is loading");
    meter.take({ kind: "continued", workerId: "w", hiveId: "h", reason: "gone" }, 1_500);
    expect(meter.queue).toBeNull();
    expect(meter.waited()).toBeNull();
  });
});
