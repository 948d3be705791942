/** The lines are those of a real queen with llama.cpp's server behind her. */
import { describe, expect, it } from "vitest";

import { readComment, readEvent } from "./arriving";

describe("the queen's comments", () => {
  it("tell the place in the queue, when, and why", () => {
    expect(readComment("waiting position=2 eta_s=14 reason=all slots of 1 worker(s) are in use")).toEqual({
      kind: "waiting",
      position: 2,
      etaS: 14,
      reason: "all slots of 1 worker(s) are in use",
    });
  });

  it("say unknown as unknown", () => {
    expect(readComment("waiting position=1 eta_s=unknown reason=the model is loading")).toMatchObject({
      etaS: null,
    });
  });

  it("tell who answers, and who goes on", () => {
    expect(readComment("routed worker=worker-c6 hive=attic")).toEqual({
      kind: "routed",
      workerId: "worker-c6",
      hiveId: "attic",
    });
    expect(readComment("continued worker=w2 hive=cellar reason=The worker closed it, a=b.")).toEqual({
      kind: "continued",
      workerId: "w2",
      hiveId: "cellar",
      reason: "The worker closed it, a=b.",
    });
  });

  it("are passed over when they are none of ours", () => {
    expect(readComment("keep-alive")).toBeNull();
    expect(readComment("")).toBeNull();
  });
});

describe("an event", () => {
  const chunk = (more: object) => JSON.stringify({ object: "chat.completion.chunk", ...more });

  it("tells how far the prompt was read", () => {
    const event = chunk({
      choices: [{ finish_reason: null, index: 0, delta: { role: "assistant", content: null } }],
      timings: { prompt_per_second: 0, predicted_per_second: 0 },
      prompt_progress: { total: 320, cache: 32, processed: 128, time_ms: 590 },
    });
    expect(readEvent(event)).toEqual([
      { kind: "prefill", done: 128, total: 320, cached: 32, ms: 590 },
      { kind: "timings", prefillPerS: null, tokensPerS: null },
    ]);
  });

  it("brings words, thoughts and calls", () => {
    expect(readEvent(chunk({ choices: [{ index: 0, delta: { content: " there" } }] }))).toEqual([
      { kind: "text", text: " there" },
    ]);
    expect(readEvent(chunk({ choices: [{ index: 0, delta: { reasoning_content: "hm" } }] }))).toEqual([
      { kind: "thought", text: "hm" },
    ]);
    const calls = [{ index: 0, id: "c1", function: { name: "add", arguments: "{" } }];
    expect(readEvent(chunk({ choices: [{ index: 0, delta: { tool_calls: calls } }] }))).toEqual([
      { kind: "tool", index: 0, id: "c1", name: "add", arguments: "{" },
    ]);
  });

  it("ends with a reason, the figures and the mark", () => {
    expect(readEvent(chunk({ choices: [{ finish_reason: "length", index: 0, delta: {} }] }))).toEqual([
      { kind: "finish", reason: "length" },
    ]);
    const usage = { completion_tokens: 12, prompt_tokens: 32, prompt_tokens_details: { cached_tokens: 3 } };
    expect(
      readEvent(
        chunk({ choices: [], usage, timings: { prompt_per_second: 54.1, predicted_per_second: 29.4 } }),
      ),
    ).toEqual([
      { kind: "timings", prefillPerS: 54.1, tokensPerS: 29.4 },
      { kind: "usage", prompt: 32, completion: 12, cached: 3 },
    ]);
    expect(readEvent("[DONE]")).toEqual([{ kind: "done" }]);
  });

  it("may be an error, said once", () => {
    const error = { message: "It died. Try again.", remedy: "Try again.", code: "worker_error" };
    expect(readEvent(JSON.stringify({ error }))).toEqual([
      { kind: "trouble", trouble: { message: "It died.", remedy: "Try again.", code: "worker_error" } },
    ]);
  });

  it("that is no JSON is a trouble, not a crash", () => {
    expect(readEvent('{"choices":[{"delta":\u0000')[0]).toMatchObject({ kind: "trouble" });
    expect(readEvent('{"choices":null}')).toEqual([]);
  });
});
