/**
 * One answer while it is made: the request, what arrives, and what is shown of it.
 *
 * It lives outside of React and outlasts the page: who goes to another page finds the answer
 * finished when they return. Tokens only add to a string; whoever shows it is told 30 times a second.
 * Where the connection to the queen breaks in mid-answer, it waits until she is back and has the
 * model go on with the words that are here, as she herself does where a worker dies.
 */
import { asProblem, ABORTED, readProblem, sessionFetch, sseMessages, UNREACHABLE } from "@/api";

import { type Happening, readComment, readEvent } from "../core/arriving";
import { withoutThought } from "../core/asking";
import { Meter } from "../core/meter";
import { type Facts, factsOf, type Finish, type ToolCall, type Trouble, type Turn } from "../core/types";

const PATH = "/v1/chat/completions";

/**
 * Shown so often at most: 30 times a second reads as flowing, and leaves half of the frames to the
 * person who types or scrolls meanwhile.
 */
const SHOW_MS = 33;

/** A page that nobody looks at gets no frames: it is told so often. */
const HIDDEN_MS = 500;

/** How long a queen may be away before the answer is given up: a restart takes a few seconds. */
const AWAY_MS_MAX = 60_000;
const AWAY_POLL_MS = 500;

/** More than this and something is wrong with the connection, not with the queen. */
const RESUMES_MAX = 3;

/** The turn is written to the history so often while it grows: what a crash of the tab may cost. */
const SAVE_MS = 1_000;

export interface RunParts {
  chat: string;
  pane: number;
  /** The answer so far: its text is empty, or what it goes on from. */
  turn: Turn;
  model: string;
  headers: Record<string, string>;
  /** The body that asks for what follows `text`; empty text asks for all of it. */
  body: (text: string) => Record<string, unknown>;
  save: (turn: Turn) => void;
  now?: () => number;
}

export class Run {
  readonly meter: Meter;
  readonly facts: Facts;
  text: string;
  thought: string;
  calls: ToolCall[] = [];
  version = 0;
  ended = false;
  private readonly now: () => number;
  private readonly aborting = new AbortController();
  private readonly listeners = new Set<() => void>();
  private frame: ReturnType<typeof setTimeout> | null = null;
  private shownAt = 0;
  private saving: ReturnType<typeof setTimeout> | undefined;
  private finished = false;

  constructor(readonly parts: RunParts) {
    this.now = parts.now ?? (() => performance.now());
    this.meter = new Meter(this.now(), parts.turn.facts?.completionTokens ?? 0);
    this.text = parts.turn.text;
    this.thought = parts.turn.thought ?? "";
    this.facts = factsOf(parts.model);
    this.facts.moves = parts.turn.facts?.moves ?? [];
  }

  // ── for React: useSyncExternalStore ────────────────────────────────────────

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly snapshot = (): number => this.version;

  /** The answer as a turn, as far as it is here. */
  turn(): Turn {
    const turn: Turn = { ...this.parts.turn, text: this.text, facts: { ...this.facts } };
    if (this.thought) turn.thought = this.thought;
    if (this.calls.length > 0) turn.toolCalls = [...this.calls];
    return turn;
  }

  // ── the request ────────────────────────────────────────────────────────────

  /** Ask and read to the end; never throws. What went wrong stands in `facts.trouble`. */
  async go(): Promise<void> {
    try {
      for (let resumes = 0; ; resumes += 1) {
        const whole = await this.leg();
        if (whole || this.aborting.signal.aborted) break;
        if (resumes === RESUMES_MAX || !(await this.queenIsBack())) {
          // Who stopped it meanwhile needs no excuse.
          if (!this.aborting.signal.aborted) this.fail({ ...BROKEN });
          break;
        }
        this.facts.moves = [...this.facts.moves, { workerId: "", hiveId: "", reason: BROKEN.message }];
      }
    } catch (error) {
      const problem = asProblem(error);
      if (problem.code !== ABORTED) {
        this.fail({ message: problem.message, remedy: problem.remedy, code: problem.code });
      }
    }
    this.end();
  }

  stop(): void {
    this.facts.finish = "stopped";
    this.aborting.abort();
  }

  /** One request; false where its connection broke and the rest may be asked for again. */
  private async leg(): Promise<boolean> {
    const begun = this.text !== "" || this.thought !== "";
    let response: Response;
    try {
      response = await sessionFetch(PATH, {
        method: "POST",
        headers: { "content-type": "application/json", ...this.parts.headers },
        body: JSON.stringify(this.parts.body(this.text)),
        signal: this.aborting.signal,
      });
    } catch (error) {
      if (begun && asProblem(error).code === UNREACHABLE) return false;
      throw error;
    }
    if (!response.ok || !response.body) throw await readProblem(response);
    if (this.text === "") {
      // It was asked from the beginning: a thought of before would stand there twice.
      this.thought = "";
      this.calls = [];
    }
    this.facts.jobId = response.headers.get("x-rbee-job");
    this.facts.workerId = response.headers.get("x-rbee-worker") ?? this.facts.workerId;
    this.facts.hiveId = response.headers.get("x-rbee-hive") ?? this.facts.hiveId;
    this.tell();
    return await this.read(response.body);
  }

  private async read(body: ReadableStream<Uint8Array>): Promise<boolean> {
    let done = false;
    const comment = (text: string) => {
      const found = readComment(text);
      if (found) this.take(found);
    };
    try {
      for await (const message of sseMessages(body, comment)) {
        for (const happening of readEvent(message.data)) {
          done ||= happening.kind === "done" || happening.kind === "trouble";
          this.take(happening);
        }
        this.tell();
      }
    } catch (error) {
      if (asProblem(error).code === ABORTED) throw error;
      return done;
    }
    return done || this.finished;
  }

  private take(happening: Happening): void {
    this.meter.take(happening, this.now());
    switch (happening.kind) {
      case "text":
        this.text += happening.text;
        break;
      case "thought":
        this.thought += happening.text;
        break;
      case "tool":
        this.call(happening);
        break;
      case "routed":
        this.facts.workerId = happening.workerId;
        this.facts.hiveId = happening.hiveId;
        break;
      case "continued":
        this.facts.workerId = happening.workerId;
        this.facts.hiveId = happening.hiveId;
        this.facts.moves = [...this.facts.moves, happening];
        break;
      case "finish":
        this.finished = true;
        this.facts.finish = FINISHES[happening.reason] ?? "stop";
        break;
      case "trouble":
        this.fail(happening.trouble);
        break;
      default:
        break;
    }
    this.tell();
    this.saving ??= setTimeout(() => {
      this.saving = undefined;
      if (!this.ended) this.parts.save(this.turn());
    }, SAVE_MS);
  }

  private call(part: { index: number; id: string; name: string; arguments: string }): void {
    const calls = [...this.calls];
    const before = calls[part.index] ?? { id: "", name: "", arguments: "" };
    calls[part.index] = {
      id: before.id || part.id,
      name: before.name || part.name,
      arguments: before.arguments + part.arguments,
    };
    this.calls = calls;
  }

  /** Wait for the queen, told to whoever looks. */
  private async queenIsBack(): Promise<boolean> {
    const until = this.now() + AWAY_MS_MAX;
    this.meter.queue = { position: 0, etaS: null, reason: AWAY, at: this.now() };
    this.tell();
    while (this.now() < until && !this.aborting.signal.aborted) {
      await new Promise((resolve) => setTimeout(resolve, AWAY_POLL_MS));
      const answer = await fetch("/health", { signal: this.aborting.signal }).catch(() => null);
      if (answer?.ok) return true;
    }
    return false;
  }

  private fail(trouble: Trouble): void {
    this.facts.finish = "failed";
    // The first one is the cause; what follows it are its consequences.
    this.facts.trouble ??= trouble;
  }

  private end(): void {
    const now = this.now();
    this.meter.end(now);
    // An engine that leaves the thought in the text: apart from here on.
    const apart = withoutThought(this.text);
    if (apart.thought && !this.thought) {
      this.thought = apart.thought;
      this.text = apart.text;
    }
    Object.assign(this.facts, {
      finish: this.facts.finish ?? "stop",
      promptTokens: this.meter.promptTokens,
      cachedTokens: this.meter.cachedTokens,
      completionTokens: this.meter.tokens || null,
      firstMs: this.meter.firstMs,
      waitedMs: this.meter.waited(),
      totalMs: now - this.meter.sentAt,
      tokensPerS: this.meter.perS(now),
      prefillPerS: this.meter.prefillPerS,
    });
    clearTimeout(this.saving);
    this.ended = true;
    this.parts.save(this.turn());
    this.listened();
  }

  // ── now and then ───────────────────────────────────────────────────────────

  private tell(): void {
    if (this.frame !== null) return;
    const show = () => {
      clearTimeout(this.frame ?? undefined);
      this.frame = null;
      this.shownAt = this.now();
      this.listened();
    };
    const wait = document.hidden ? HIDDEN_MS : Math.max(0, this.shownAt + SHOW_MS - this.now());
    this.frame = setTimeout(() => {
      if (document.hidden) return show();
      // A tab that is hidden before its frame comes would wait for it until it is shown again.
      this.frame = setTimeout(show, HIDDEN_MS);
      requestAnimationFrame(() => (this.frame === null ? undefined : show()));
    }, wait);
  }

  private listened(): void {
    this.version += 1;
    for (const listener of this.listeners) listener();
  }
}

const FINISHES: Record<string, Finish> = {
  stop: "stop",
  length: "length",
  tool_calls: "tool_calls",
  function_call: "tool_calls",
};

const AWAY = "The queen does not answer; the answer goes on when she is back.";

const BROKEN: Trouble = {
  message: "The connection to the queen broke in mid-answer.",
  remedy: "What came is kept: continue it when she answers again.",
  code: "connection_lost",
};
