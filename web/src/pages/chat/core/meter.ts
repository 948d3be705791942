/**
 * The figures of one answer while it comes: time to the first token, tokens a second, how much of
 * the prompt was read, when it will be read.
 *
 * Pure: `now` comes from outside (ms of any steady clock). Pieces are counted while the answer
 * comes, since that is about its tokens; the engine's own figures replace them at the end.
 */
import type { Happening } from "./arriving";

/** The rate shown is that of the last so many ms: what a person sees now, not since the start. */
const WINDOW_MS = 2_000;

/** Fewer pieces than this say nothing about a rate. */
const PIECES_MIN = 3;

export type Phase = "asking" | "waiting" | "prefill" | "writing" | "ended";

export interface Prefill {
  done: number;
  total: number;
  cached: number;
  /** Of what had to be read: what the cache knew already does not count. */
  share: number;
  etaS: number | null;
}

export interface Queue {
  /** 0: it waits, but in no queue; `reason` says for what. */
  position: number;
  etaS: number | null;
  reason: string;
  /** When that was said: an ETA counts down from there. */
  at: number;
}

export class Meter {
  phase: Phase = "asking";
  queue: Queue | null = null;
  prefill: Prefill | null = null;
  firstAt: number | null = null;
  lastAt: number | null = null;
  endedAt: number | null = null;
  pieces = 0;
  promptTokens: number | null = null;
  cachedTokens: number | null = null;
  prefillPerS: number | null = null;
  private waitedMs: number | null = null;
  private completion: number | null = null;
  private rate: number | null = null;
  private recent: { at: number; pieces: number }[] = [];

  /** `before`: tokens of the answer that this one goes on with. */
  constructor(
    readonly sentAt: number,
    private readonly before = 0,
  ) {}

  take(happening: Happening, now: number): void {
    switch (happening.kind) {
      case "waiting":
        // In mid-answer it means that the worker died and the next one is being found.
        this.queue = { ...happening, at: now };
        if (this.firstAt === null) this.phase = "waiting";
        return;
      case "routed":
      case "continued":
        this.noLongerWaiting(now);
        return;
      case "prefill":
        this.noLongerWaiting(now);
        this.prefill = prefillOf(happening);
        if (this.firstAt === null) this.phase = "prefill";
        return;
      case "text":
      case "thought":
      case "tool":
        this.piece(now);
        return;
      case "usage":
        this.completion = happening.completion;
        this.promptTokens = happening.prompt;
        this.cachedTokens = happening.cached;
        return;
      case "timings":
        this.rate = happening.tokensPerS;
        this.prefillPerS = happening.prefillPerS;
        return;
      default:
        return;
    }
  }

  end(now: number): void {
    this.phase = "ended";
    this.endedAt = now;
    this.queue = null;
  }

  /** From sending to the first token, ms. */
  get firstMs(): number | null {
    return this.firstAt === null ? null : this.firstAt - this.sentAt;
  }

  /** How long it waited for a worker, ms; null where nothing was told. */
  waited(): number | null {
    return this.waitedMs;
  }

  /** The answer's tokens: the engine's count, or the pieces so far. */
  get tokens(): number {
    // Of an answer that went on after a break the engine counts the last part only.
    return this.before + Math.max(this.completion ?? 0, this.pieces);
  }

  /** Tokens a second now; at the end of the whole answer. */
  perS(now: number): number | null {
    if (this.phase === "ended") return this.rate ?? this.overall();
    const first = this.recent[0];
    if (this.pieces < PIECES_MIN || !first) return null;
    const spanMs = now - first.at;
    return spanMs > 0 ? ((this.pieces - first.pieces) * 1000) / spanMs : null;
  }

  private overall(): number | null {
    if (this.firstAt === null || this.lastAt === null || this.pieces < PIECES_MIN) return null;
    const ms = this.lastAt - this.firstAt;
    return ms > 0 ? ((this.tokens - this.before - 1) * 1000) / ms : null;
  }

  private piece(now: number): void {
    this.noLongerWaiting(now);
    this.firstAt ??= now;
    this.lastAt = now;
    this.pieces += 1;
    this.phase = "writing";
    this.recent.push({ at: now, pieces: this.pieces });
    while (this.recent.length > 2 && now - (this.recent[1]?.at ?? now) > WINDOW_MS) this.recent.shift();
  }

  private noLongerWaiting(now: number): void {
    if (this.queue === null) return;
    this.queue = null;
    if (this.firstAt === null) this.waitedMs = now - this.sentAt;
  }
}

function prefillOf(told: { done: number; total: number; cached: number; ms: number }): Prefill {
  const toRead = told.total - told.cached;
  const read = Math.max(0, told.done - told.cached);
  const perMs = told.ms > 0 ? read / told.ms : 0;
  return {
    done: told.done,
    total: told.total,
    cached: told.cached,
    share: toRead > 0 ? Math.min(1, read / toRead) : 1,
    etaS: perMs > 0 ? (toRead - read) / perMs / 1000 : null,
  };
}
