import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { Turn } from "../core/types";
import { Run } from "./run";

const TURN: Turn = { id: "a", parent: "q", role: "assistant", text: "", at: 1 };

/** A chat's stream of these deltas; it breaks at its end unless it is `whole`. */
function streamed(deltas: object[], whole: boolean): Response {
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const delta of deltas) {
        controller.enqueue(encoder.encode(`data: ${JSON.stringify({ choices: [{ delta }] })}\n\n`));
      }
      if (whole) controller.enqueue(encoder.encode("data: [DONE]\n\n"));
      controller.close();
    },
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}

function begun(): { run: Run; bodies: string[] } {
  const bodies: string[] = [];
  const run = new Run({
    chat: "c",
    pane: 0,
    turn: TURN,
    model: "m",
    headers: {},
    body: (text) => {
      bodies.push(text);
      return {};
    },
    save: () => undefined,
  });
  return { run, bodies };
}

describe("an answer whose connection breaks", () => {
  let answers: Response[] = [];
  let queen = true;

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    vi.stubGlobal("document", { hidden: true });
    vi.stubGlobal("fetch", (asked: Request | string) => {
      if (asked === "/health") return Promise.resolve(new Response("", { status: queen ? 200 : 503 }));
      const next = answers.shift();
      return next ? Promise.resolve(next) : Promise.reject(new TypeError("nobody answers"));
    });
    // Node's own Request wants a whole address.
    vi.stubGlobal(
      "Request",
      class extends Request {
        constructor(path: string, init: RequestInit) {
          super(new URL(path, "http://localhost"), init);
        }
      },
    );
    queen = true;
  });
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });

  it("goes on with the words that are there", async () => {
    answers = [streamed([{ content: "one " }], false), streamed([{ content: "two" }], true)];
    const { run, bodies } = begun();
    const done = run.go();
    await vi.advanceTimersByTimeAsync(2_000);
    await done;
    expect(bodies).toEqual(["", "one "]);
    expect(run.turn()).toMatchObject({ text: "one two", facts: { finish: "stop" } });
  });

  it("has a thought once, though it is asked from the beginning", async () => {
    answers = [
      streamed([{ reasoning_content: "Hm. " }], false),
      streamed([{ reasoning_content: "Hm. So." }, { content: "Yes." }], true),
    ];
    const { run } = begun();
    const done = run.go();
    await vi.advanceTimersByTimeAsync(2_000);
    await done;
    expect(run.turn()).toMatchObject({ text: "Yes.", thought: "Hm. So." });
  });

  it("says what it waits for, and is stopped without an excuse", async () => {
    answers = [streamed([{ content: "one" }], false)];
    queen = false;
    const { run } = begun();
    const done = run.go();
    await vi.advanceTimersByTimeAsync(1_200);
    expect(run.meter.queue).toMatchObject({ position: 0, etaS: null });
    run.stop();
    await vi.advanceTimersByTimeAsync(1_200);
    await done;
    expect(run.turn().facts).toMatchObject({ finish: "stopped" });
    expect(run.turn().facts?.trouble ?? null).toBeNull();
  });
});
