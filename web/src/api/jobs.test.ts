import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { followJob, type JobEvent } from "./jobs";
import { Problem } from "./problems";
import { session, useSession } from "./session";
import { sseMessages } from "./sse";

/** A body that arrives in these pieces; `broken` ends it as a lost connection does. */
function body(pieces: string[], broken = false): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const left = [...pieces];
  return new ReadableStream({
    pull(controller) {
      const next = left.shift();
      if (next !== undefined) controller.enqueue(encoder.encode(next));
      else if (broken) controller.error(new TypeError("network error"));
      else controller.close();
    },
  });
}

function frame(seq: number, event: Partial<JobEvent>): string {
  const whole = {
    action: "token",
    message: "",
    type: "token",
    job_id: "j",
    seq,
    ts: 0,
    actor: "queen",
    ...event,
  };
  return `id: ${seq}\ndata: ${JSON.stringify(whole)}\n\n`;
}

describe("sseMessages", () => {
  it("reads messages cut anywhere, ids, names, several lines of data and comments", async () => {
    const text = "id: 1\r\nevent: a\r\ndata: x\r\ndata: y\r\n\r\n: hello\n\ndata: ü\n\n";
    const pieces = [...text].map(String);
    const comments: string[] = [];
    const found = [];
    for await (const one of sseMessages(body(pieces), (c) => comments.push(c))) found.push(one);
    expect(found).toEqual([
      { id: "1", event: "a", data: "x\ny" },
      { id: "1", event: "message", data: "ü" },
    ]);
    expect(comments).toEqual(["hello"]);
  });
});

describe("followJob", () => {
  const asked: { path: string; after: string | null }[] = [];
  let answers: (() => Response)[] = [];

  beforeEach(() => {
    vi.useFakeTimers({ shouldAdvanceTime: true, advanceTimeDelta: 50 });
    asked.length = 0;
    // Node knows no origin that a path could be below.
    vi.stubGlobal(
      "Request",
      class extends Request {
        constructor(input: string, init?: RequestInit) {
          super(new URL(input, "http://queen.test"), init);
        }
      },
    );
    vi.stubGlobal("fetch", (request: Request) => {
      asked.push({ path: new URL(request.url).pathname, after: request.headers.get("last-event-id") });
      const next = answers.shift();
      if (next === undefined) throw new Error("nothing more was to be asked");
      return Promise.resolve(next());
    });
  });
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });

  it("goes on after the last event that it saw, and shows none twice", async () => {
    answers = [
      () => new Response(body([frame(1, { message: "a" }), frame(2, { message: "b" })], true)),
      () => new Response("gone", { status: 503 }),
      () => new Response(body([frame(3, { message: "c" }), "id: 4\ndata: [DONE]\n\n"])),
    ];
    const seen: string[] = [];
    const end = await followJob("j", (event) => seen.push(event.message));
    expect(seen).toEqual(["a", "b", "c"]);
    expect(asked.map(({ after }) => after)).toEqual([null, "2", "2"]);
    expect(end.last?.seq).toBe(3);
  });

  it("throws the job's own error, with its remedy", async () => {
    const data = { code: "no_capacity", remedy: "Try again." };
    answers = [
      () =>
        new Response(
          body([frame(1, { action: "error", type: "error", message: "Full.", data }), "data: [DONE]\n\n"]),
        ),
    ];
    await expect(followJob("j")).rejects.toMatchObject({
      message: "Full.",
      code: "no_capacity",
      remedy: "Try again.",
    });
  });

  it("does not ask again for a job that is not there", async () => {
    answers = [
      () => Response.json({ error: "Not found", details: "No job.", code: "job_not_found" }, { status: 404 }),
    ];
    await expect(followJob("j")).rejects.toBeInstanceOf(Problem);
    expect(asked).toHaveLength(1);
  });

  it("flips the session to signed out on 401", async () => {
    useSession.setState({ state: "in" });
    answers = [() => Response.json({ error: "x", details: "No.", code: "invalid_api_key" }, { status: 401 })];
    await expect(followJob("j")).rejects.toMatchObject({ code: "invalid_api_key" });
    expect(session()).toMatchObject({ state: "out", ended: true });
  });
});
