/**
 * What a chat consists of, as it is kept in this browser and nowhere else.
 *
 * A chat has one pane, or two where two models are compared; each pane is a tree of turns. Nothing
 * here knows React, the network or a database.
 */

export type Role = "user" | "assistant";

/** A picture or a sound that goes to the model with a turn. `url` is always a `data:` URL. */
export interface Attachment {
  kind: "image" | "audio";
  name: string;
  mime: string;
  url: string;
  bytes: number;
}

/** A call that the model asked for. It is shown, never carried out: the console has no tools. */
export interface ToolCall {
  id: string;
  name: string;
  arguments: string;
}

/** Why an answer ended: the model's own end, its limit, a hand on Stop, or a failure. */
export type Finish = "stop" | "length" | "tool_calls" | "stopped" | "failed" | "cut";

/** What went wrong, as the server said it. */
export interface Trouble {
  message: string;
  remedy: string;
  code: string;
}

/** What is known of an answer besides its words. `null` is unknown, never 0. */
export interface Facts {
  model: string;
  jobId: string | null;
  workerId: string | null;
  hiveId: string | null;
  finish: Finish | null;
  trouble: Trouble | null;
  promptTokens: number | null;
  cachedTokens: number | null;
  completionTokens: number | null;
  /** From sending to the first token. */
  firstMs: number | null;
  /** Spent in the queue and on loads, as far as it was told. */
  waitedMs: number | null;
  totalMs: number | null;
  tokensPerS: number | null;
  prefillPerS: number | null;
  /** Where another worker went on with it: which, and why. */
  moves: Move[];
}

export interface Move {
  workerId: string;
  hiveId: string;
  reason: string;
}

export interface Turn {
  id: string;
  parent: string | null;
  role: Role;
  text: string;
  /** Unix ms. */
  at: number;
  thought?: string;
  attachments?: Attachment[];
  toolCalls?: ToolCall[];
  facts?: Facts;
}

/** How to ask. `null` leaves a figure to the engine. */
export interface Sampling {
  system: string;
  temperature: number | null;
  topP: number | null;
  topK: number | null;
  maxTokens: number | null;
  seed: number | null;
  stop: string[];
  json: boolean;
  /** A hive that is asked first; null: any. */
  hiveId: string | null;
}

export interface Pane {
  model: string;
}

/** The head of a chat; its turns are rows of their own, so that writing one is cheap. */
export interface Chat {
  id: string;
  title: string;
  /** Whether a person chose the title: then it is never made anew. */
  titled: boolean;
  createdAt: number;
  updatedAt: number;
  panes: Pane[];
  sampling: Sampling;
  pinned: boolean;
}

export const PLAIN: Sampling = {
  system: "",
  temperature: null,
  topP: null,
  topK: null,
  maxTokens: null,
  seed: null,
  stop: [],
  json: false,
  hiveId: null,
};

export function factsOf(model: string): Facts {
  return {
    model,
    jobId: null,
    workerId: null,
    hiveId: null,
    finish: null,
    trouble: null,
    promptTokens: null,
    cachedTokens: null,
    completionTokens: null,
    firstMs: null,
    waitedMs: null,
    totalMs: null,
    tokensPerS: null,
    prefillPerS: null,
    moves: [],
  };
}
