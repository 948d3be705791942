/**
 * What arrives while an answer is made, in words of our own.
 *
 * Pure: one SSE comment or one event's data in, happenings out. The queen's comments tell places in
 * a queue and changes of worker; llama.cpp's `prompt_progress` tells how far a prompt was read; the
 * rest is OpenAI's. Fields that are not known are passed over, so that any engine will do.
 */
import type { Trouble } from "./types";

export type Happening =
  | { kind: "waiting"; position: number; etaS: number | null; reason: string }
  | { kind: "routed"; workerId: string; hiveId: string }
  | { kind: "continued"; workerId: string; hiveId: string; reason: string }
  | { kind: "prefill"; done: number; total: number; cached: number; ms: number }
  | { kind: "text"; text: string }
  | { kind: "thought"; text: string }
  | { kind: "tool"; index: number; id: string; name: string; arguments: string }
  | { kind: "finish"; reason: string }
  | { kind: "usage"; prompt: number; completion: number; cached: number | null }
  | { kind: "timings"; prefillPerS: number | null; tokensPerS: number | null }
  | { kind: "trouble"; trouble: Trouble }
  | { kind: "done" };

const FIELD = /(\w+)=(\S+)/g;

/** A comment of the queen's; null for keep-alives and whatever else is none of ours. */
export function readComment(comment: string): Happening | null {
  const [word] = comment.split(" ", 1);
  if (word !== "waiting" && word !== "routed" && word !== "continued") return null;
  const at = comment.indexOf("reason=");
  const reason = at < 0 ? "" : comment.slice(at + "reason=".length);
  const head = at < 0 ? comment : comment.slice(0, at);
  const fields = new Map([...head.matchAll(FIELD)].map((found) => [found[1] ?? "", found[2] ?? ""]));
  const workerId = fields.get("worker") ?? "";
  const hiveId = fields.get("hive") ?? "";
  if (word === "routed") return { kind: "routed", workerId, hiveId };
  if (word === "continued") return { kind: "continued", workerId, hiveId, reason };
  const eta = Number(fields.get("eta_s"));
  return {
    kind: "waiting",
    position: Number(fields.get("position")) || 1,
    etaS: Number.isFinite(eta) ? eta : null,
    reason,
  };
}

type Json = Record<string, unknown>;

/** The data of one event. What is no JSON is a server's fault and said so. */
export function readEvent(data: string): Happening[] {
  if (data === "[DONE]") return [{ kind: "done" }];
  let event: Json;
  try {
    event = JSON.parse(data) as Json;
  } catch {
    return [{ kind: "trouble", trouble: { ...UNREADABLE } }];
  }
  if (isJson(event["error"])) return [{ kind: "trouble", trouble: troubleOf(event["error"]) }];
  const found: Happening[] = [];
  const progress = event["prompt_progress"];
  if (isJson(progress)) found.push(prefillOf(progress));
  const choices = event["choices"];
  const choice: unknown = Array.isArray(choices) ? choices[0] : undefined;
  if (isJson(choice)) found.push(...ofChoice(choice));
  if (isJson(event["timings"])) found.push(timingsOf(event["timings"]));
  if (isJson(event["usage"])) found.push(usageOf(event["usage"]));
  return found;
}

function ofChoice(choice: Json): Happening[] {
  const found: Happening[] = [];
  const delta = isJson(choice["delta"]) ? choice["delta"] : {};
  const thought = text(delta["reasoning_content"]) || text(delta["reasoning"]);
  if (thought) found.push({ kind: "thought", text: thought });
  const said = text(delta["content"]);
  if (said) found.push({ kind: "text", text: said });
  const calls = delta["tool_calls"];
  if (Array.isArray(calls)) {
    for (const call of calls as unknown[]) if (isJson(call)) found.push(toolOf(call));
  }
  const finish = text(choice["finish_reason"]);
  if (finish) found.push({ kind: "finish", reason: finish });
  return found;
}

function toolOf(call: Json): Happening {
  const about = isJson(call["function"]) ? call["function"] : {};
  return {
    kind: "tool",
    index: number(call["index"]) ?? 0,
    id: text(call["id"]),
    name: text(about["name"]),
    arguments: text(about["arguments"]),
  };
}

function prefillOf(progress: Json): Happening {
  return {
    kind: "prefill",
    done: number(progress["processed"]) ?? 0,
    total: number(progress["total"]) ?? 0,
    cached: number(progress["cache"]) ?? 0,
    ms: number(progress["time_ms"]) ?? 0,
  };
}

function usageOf(usage: Json): Happening {
  const details = usage["prompt_tokens_details"];
  return {
    kind: "usage",
    prompt: number(usage["prompt_tokens"]) ?? 0,
    completion: number(usage["completion_tokens"]) ?? 0,
    cached: isJson(details) ? number(details["cached_tokens"]) : null,
  };
}

function timingsOf(timings: Json): Happening {
  // A rate of 0 only means that nothing took time yet.
  return {
    kind: "timings",
    prefillPerS: number(timings["prompt_per_second"]) || null,
    tokensPerS: number(timings["predicted_per_second"]) || null,
  };
}

/** An error object of OpenAI's shape; the queen repeats the remedy at the end of the message. */
export function troubleOf(error: Json): Trouble {
  const remedy = text(error["remedy"]);
  const message = text(error["message"]) || "The answer failed.";
  return {
    message: remedy && message.endsWith(remedy) ? message.slice(0, -remedy.length).trim() : message,
    remedy,
    code: text(error["code"]) || text(error["type"]) || "error",
  };
}

const UNREADABLE: Trouble = {
  message: "The engine sent an event that cannot be read.",
  remedy: "Try again; the worker's log says more.",
  code: "engine_error",
};

function isJson(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function number(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}
