/** The stream's rule: one connection, resumed where it broke, silent while nobody looks, and nothing left over. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

const shown = { hidden: false };
const heard = new Map<string, () => void>();
vi.stubGlobal("document", {
  get hidden() {
    return shown.hidden;
  },
  addEventListener: (name: string, listener: () => void) => heard.set(name, listener),
  removeEventListener: (name: string) => heard.delete(name),
});
vi.stubGlobal("window", { addEventListener: () => undefined, removeEventListener: () => undefined });
vi.stubGlobal("requestAnimationFrame", (run: () => void) => setTimeout(run, 16));
// Node's Request wants a whole address.
vi.stubGlobal(
  "Request",
  class extends Request {
    constructor(input: string | Request, init?: RequestInit) {
      super(typeof input === "string" ? new URL(input, "http://queen") : input, init);
    }
  },
);

/** A connection of the page, as the queen sees it. */
interface Line {
  lastEventId: string | null;
  aborted: () => boolean;
  say: (id: number, message: object) => void;
  sayText: (text: string) => void;
  end: () => void;
}
const lines: Line[] = [];
/** What the queen does with the next request: answers, is away, or lets it wait. */
let queen: "here" | "away" | "slow" | number = "here";

vi.stubGlobal("fetch", (request: Request) => {
  if (queen === "away") return Promise.reject(new TypeError("fetch failed"));
  if (typeof queen === "number") return Promise.resolve(new Response("{}", { status: queen }));
  let out!: ReadableStreamDefaultController<Uint8Array>;
  const body = new ReadableStream<Uint8Array>({ start: (controller) => void (out = controller) });
  const aborted = () => request.signal.aborted;
  request.signal.addEventListener("abort", () => out.error(new DOMException("", "AbortError")));
  const sayText = (text: string) => out.enqueue(new TextEncoder().encode(text));
  lines.push({
    lastEventId: request.headers.get("last-event-id"),
    aborted,
    sayText,
    say: (id, message) => sayText(`id: a-${id}\ndata: ${JSON.stringify(message)}\n\n`),
    end: () => out.close(),
  });
  if (queen === "here") return Promise.resolve(new Response(body));
  return new Promise((_, reject) =>
    request.signal.addEventListener("abort", () => reject(new DOMException("", "AbortError"))),
  );
});

const { startStream, stopStream, reconnectNow } = await import("./stream");
const { getConnection, getTable } = await import("./store");
const { history } = await import("./history");

const now = () => Date.now() / 1000;
const snapshot = (tables: object = {}) => ({ type: "snapshot", at: now(), tables });
const beat = (tables: object = {}) => ({ type: "delta", at: now(), tables });
const line = () => lines.at(-1) as Line;

async function pass(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
}

/** Time passes, and the queen speaks each second, as she does. */
async function live(seconds: number): Promise<void> {
  for (let at = 0; at < seconds; at += 1) {
    line().say(100 + at, beat());
    await pass(1000);
  }
}

function look(hidden: boolean): void {
  shown.hidden = hidden;
  heard.get("visibilitychange")?.();
}

beforeEach(async () => {
  vi.useFakeTimers();
  shown.hidden = false;
  queen = "here";
  lines.length = 0;
  startStream();
  await pass(10);
  line().say(1, snapshot({ colony: { queen: { running: 2 } } }));
  await pass(10);
});

afterEach(async () => {
  stopStream();
  await pass(2000);
  vi.useRealTimers();
});

describe("a break", () => {
  it("is resumed after the last id, without a word while it is short", async () => {
    line().say(2, beat());
    await pass(10);
    line().end();
    await pass(400);
    expect(lines).toHaveLength(2);
    expect(line().lastEventId).toBe("a-2");
    expect(getConnection().state).toBe("live");
  });

  it("by a message that cannot be read is followed by a whole snapshot, on one connection", async () => {
    line().sayText("id: a-2\ndata: {broken\n\n");
    await pass(400);
    expect(lines).toHaveLength(2);
    expect(lines[0]?.aborted()).toBe(true);
    expect(line().lastEventId).toBeNull();
  });

  it("that lasted long does not cost the first connection that comes about again", async () => {
    queen = "away";
    line().end();
    await pass(30_000);
    queen = "slow";
    await pass(3_500);
    expect(lines).toHaveLength(2);
    expect(line().aborted()).toBe(false);
  });

  it("is ended at once by a press on Try now", async () => {
    queen = "away";
    line().end();
    await pass(30_000);
    queen = "slow";
    await pass(1_600);
    const before = lines.length;
    queen = "here";
    reconnectNow();
    await pass(20);
    expect(lines).toHaveLength(before + 1);
  });
});

describe("a page that nobody looks at", () => {
  it("lets go of its connection and says nothing of a lost queen when it is shown again", async () => {
    look(true);
    await live(21);
    expect(line().aborted()).toBe(true);
    await pass(300_000);
    expect(lines).toHaveLength(1);
    look(false);
    await pass(20);
    expect(lines).toHaveLength(2);
    expect(getConnection().state).not.toBe("lost");
  });
});

describe("the end of a session", () => {
  it("leaves nothing to the next one: no rows, no figures, no age", async () => {
    await live(2);
    expect(history("colony.running", "queen").length).toBeGreaterThan(0);
    stopStream();
    expect(getTable("colony").size).toBe(0);
    expect(history("colony.running", "queen").length).toBe(0);
    expect(getConnection()).toEqual({ state: "connecting", ageS: null, lastAt: null, reason: null });
  });

  it("that forbids to look says so", async () => {
    queen = 403;
    line().end();
    await pass(400);
    expect(getConnection().state).toBe("signed_out");
    expect(getConnection().reason).toContain("key");
    expect(getTable("colony").size).toBe(0);
  });
});
