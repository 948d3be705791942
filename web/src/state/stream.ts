/**
 * The one connection of this tab to `/v1/state/stream`: kept up, resumed, paused while nobody looks.
 *
 * It reads with `fetch`, not EventSource: a refusal (401) has to be told apart from a queen that is
 * away, and it must knock again within a second. After a break it asks for what came after the last
 * id; what cannot be resumed begins with a snapshot, so nothing is missing and nothing doubled.
 */
import { sessionFetch } from "@/api/session";

import { forgetHistory } from "./history";
import { EventCutter } from "./sse";
import { clear, getConnection, getTable, LIVE_S, setConnection, take } from "./store";
import type { ConnectionState, Message } from "./types";

const PATH = "/v1/state/stream";

/** The queen sends something each second; after this silence the line is dead, whatever TCP says. */
const SILENT_MS_MAX = 8_000;

/** A connection that is not answered within this is tried anew. */
const CONNECT_MS_MAX = 5_000;

/** First pause before knocking again, and the longest: a restarted queen is back within seconds. */
const RETRY_MS_MIN = 250;
const RETRY_MS_MAX = 1_500;

/** A hidden page lets go of its connection after this: browsers allow six to a host. */
const HIDDEN_MS_MAX = 20_000;

/** Counts starts: a loop of an earlier one ends by itself. */
let life = 0;
let running = false;
let attempt: AbortController | null = null;
let lastId: string | null = null;
let wake: (() => void) | null = null;
let heardAt = 0;
/** `reconnectNow` was called: the next try does not wait. */
let hurried = false;
let hiddenSince: number | null = null;
let hiding: ReturnType<typeof setTimeout> | undefined;
/** When a page that had let go was shown again: it is not late before it could be heard. */
let resumedAt = 0;
/** Why the last try failed: told once what is shown has become old. */
let why: string | null = null;
let watchdog: ReturnType<typeof setInterval> | null = null;

/** Begin; does nothing when it runs already. Call it once, from the app's root. */
export function startStream(): void {
  if (running) return;
  running = true;
  document.addEventListener("visibilitychange", onVisibility);
  window.addEventListener("online", reconnectNow);
  watchdog = setInterval(watch, 1_000);
  onVisibility();
  life += 1;
  void keepUp(life);
}

/** End, and forget what was shown. */
export function stopStream(): void {
  running = false;
  document.removeEventListener("visibilitychange", onVisibility);
  window.removeEventListener("online", reconnectNow);
  if (watchdog !== null) clearInterval(watchdog);
  clearTimeout(hiding);
  attempt?.abort();
  wake?.();
  forget();
  why = null;
  hiddenSince = null;
  setConnection({ state: "connecting", ageS: null, lastAt: null, reason: null });
}

/** Rows and figures alike: whoever signs in next begins with nothing. */
function forget(): void {
  lastId = null;
  clear();
  forgetHistory();
}

/** Try at once: after signing in, or when the network is back. */
export function reconnectNow(): void {
  hurried = true;
  attempt?.abort();
  wake?.();
}

async function keepUp(mine: number): Promise<void> {
  let failures = 0;
  const isMine = () => running && life === mine;
  while (isMine()) {
    if (isPaused()) {
      await pause(null);
      continue;
    }
    hurried = false;
    const outcome = await follow();
    if (!isMine()) return;
    if (outcome === "signed_out" || outcome === "forbidden") {
      forget();
      note("signed_out", outcome === "forbidden" ? "This key may not look at the colony." : null);
      await pause(null); // until someone signs in
      if (!isMine()) return;
      note("connecting", null);
      failures = 0;
      continue;
    }
    failures = outcome === "ended" || hurried ? 1 : failures + 1;
    if (!hurried) await pause(retryMs(failures));
  }
}

/** How long to wait before the next try: doubling, with a spread so that tabs do not come at once. */
export function retryMs(failures: number, random: () => number = Math.random): number {
  const longest = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.max(0, failures - 1));
  return longest / 2 + (random() * longest) / 2;
}

type Outcome = "ended" | "failed" | "signed_out" | "forbidden";

/** One connection, from its request to its end. */
async function follow(): Promise<Outcome> {
  const mine = (attempt = new AbortController());
  // The silence of the line before is not this one's.
  heardAt = Date.now();
  const late = setTimeout(() => {
    mine.abort();
  }, CONNECT_MS_MAX);
  try {
    const headers: Record<string, string> = { accept: "text/event-stream" };
    if (lastId !== null) headers["last-event-id"] = lastId;
    const response = await sessionFetch(PATH, { headers, signal: mine.signal, cache: "no-store" });
    if (response.status === 401) return "signed_out";
    if (response.status === 403) return "forbidden";
    if (!response.ok || response.body === null) {
      note("lost", `The queen answered ${String(response.status)}.`);
      return "failed";
    }
    clearTimeout(late);
    why = null;
    await read(response.body);
    note("lost", "The queen ended the stream.");
    return "ended";
  } catch (error) {
    // fetch throws for every kind of broken line, and for our own abort; both mean: try again.
    const reason =
      error instanceof SyntaxError ? "What she sent cannot be read." : "The queen cannot be reached.";
    if (!isPaused()) note("lost", reason);
    return "failed";
  } finally {
    clearTimeout(late);
    mine.abort(); // whatever ended it, the connection is not left open
    if (attempt === mine) attempt = null;
  }
}

async function read(body: ReadableStream<Uint8Array>): Promise<void> {
  const cutter = new EventCutter();
  const decoder = new TextDecoder();
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    heardAt = Date.now();
    for (const event of cutter.feed(decoder.decode(value, { stream: true }))) {
      const before = lastId;
      // What cannot be taken is not asked for again: the next try begins with a snapshot.
      lastId = null;
      take(JSON.parse(event.data) as Message);
      lastId = event.id ?? before;
    }
  }
}

/** A second has passed: is the line silent, is what is shown old? */
function watch(): void {
  const connection = getConnection();
  if (connection.state === "signed_out") return;
  if (attempt !== null && Date.now() - heardAt > SILENT_MS_MAX) {
    heardAt = Date.now();
    attempt.abort();
  }
  if (connection.lastAt === null || isPaused() || Date.now() - resumedAt < LIVE_S * 1000) return;
  const ageS = (Date.now() - connection.lastAt) / 1000;
  if (ageS > LIVE_S) note(connection.state === "live" ? "lost" : connection.state, why);
  else if (connection.state !== "live") note(connection.state, why);
}

/** Say how it is; a break of less than three seconds is not worth a banner. */
function note(state: ConnectionState, reason: string | null): void {
  const { lastAt } = getConnection();
  const ageS = lastAt === null ? null : Math.floor((Date.now() - lastAt) / 1000);
  why = reason;
  if (state === "lost" && ageS !== null && ageS <= LIVE_S) return;
  setConnection({ state, ageS, lastAt, reason });
}

// ── while nobody looks ───────────────────────────────────────────────────────

function onVisibility(): void {
  if (document.hidden) {
    hiddenSince = Date.now();
    lookLater(HIDDEN_MS_MAX + 100);
  } else {
    if (isPaused()) resumedAt = Date.now();
    hiddenSince = null;
    if (attempt === null) wake?.();
  }
}

function letGoIfHidden(): void {
  if (isPaused()) attempt?.abort();
  // A download's progress stands in the tab's title: look again later whether it has ended.
  else if (hiddenSince !== null) lookLater(HIDDEN_MS_MAX);
}

function lookLater(ms: number): void {
  clearTimeout(hiding);
  hiding = setTimeout(letGoIfHidden, ms);
}

function isPaused(): boolean {
  return hiddenSince !== null && Date.now() - hiddenSince > HIDDEN_MS_MAX && getTable("downloads").size === 0;
}

/** Wait, at most so long; `reconnectNow` and a page that is shown again cut it short. */
function pause(ms: number | null): Promise<void> {
  return new Promise((resolve) => {
    const timer = ms === null ? null : setTimeout(done, ms);
    wake = done;
    function done(): void {
      if (timer !== null) clearTimeout(timer);
      if (wake === done) wake = null;
      resolve();
    }
  });
}
