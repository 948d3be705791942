/**
 * The request for an answer: a path of turns and how to ask, as OpenAI's chat body.
 *
 * Pure. Thoughts are not sent back (models are trained without them), failed answers are left out,
 * and two questions in a row become one, since most chat templates refuse them.
 */
import type { Attachment, Sampling, Turn } from "./types";

interface Part {
  type: string;
  [key: string]: unknown;
}

export interface Message {
  role: "system" | "user" | "assistant";
  content: string | Part[];
}

export interface Asking {
  model: string;
  /** The turns up to the question; with `goesOn` up to the answer that is to be continued. */
  path: readonly Turn[];
  sampling: Sampling;
  /** Whether the last turn is an answer that the model goes on with. */
  goesOn?: boolean;
  /** Whether the engine is known to refuse fields that it does not know. */
  strict?: boolean;
}

/** Engines that tell how far they have read a prompt when they are asked to. */
const TELLS_PROGRESS = new Set(["xllamacpp", "llama-server", "scripted"]);

/** Whether one of a model's engines may refuse what only llama.cpp knows. */
export function isStrict(engines: Iterable<string>): boolean {
  for (const engine of engines) if (!TELLS_PROGRESS.has(engine)) return true;
  return false;
}

export function bodyOf(asking: Asking): Record<string, unknown> {
  const { sampling } = asking;
  const body: Record<string, unknown> = {
    model: asking.model,
    messages: messagesOf(asking),
    stream: true,
    stream_options: { include_usage: true },
  };
  if (!asking.strict) body["return_progress"] = true;
  if (asking.goesOn) {
    // Engines that are not llama.cpp open a new turn unless they are told.
    body["add_generation_prompt"] = false;
    body["continue_final_message"] = true;
  }
  const numbers = {
    temperature: sampling.temperature,
    top_p: sampling.topP,
    top_k: sampling.topK,
    max_tokens: sampling.maxTokens,
    seed: sampling.seed,
  };
  for (const [name, value] of Object.entries(numbers)) if (value !== null) body[name] = value;
  if (sampling.stop.length > 0) body["stop"] = sampling.stop;
  if (sampling.json) body["response_format"] = { type: "json_object" };
  return body;
}

export function messagesOf({ path, sampling, goesOn }: Asking): Message[] {
  const messages: Message[] = [];
  if (sampling.system.trim() !== "") messages.push({ role: "system", content: sampling.system });
  path.forEach((turn, index) => {
    const isLast = index === path.length - 1;
    const { text } = withoutThought(turn.text);
    if (turn.role === "assistant") {
      if (text !== "" || (goesOn && isLast)) messages.push({ role: "assistant", content: text });
      return;
    }
    const content = contentOf(text, turn.attachments ?? []);
    const before = messages.at(-1);
    if (before?.role === "user") before.content = joined(before.content, content);
    else messages.push({ role: "user", content });
  });
  return messages;
}

function contentOf(text: string, attachments: readonly Attachment[]): string | Part[] {
  if (attachments.length === 0) return text;
  const parts: Part[] = attachments.map((file) =>
    file.kind === "image"
      ? { type: "image_url", image_url: { url: file.url } }
      : { type: "input_audio", input_audio: { data: base64Of(file.url), format: formatOf(file) } },
  );
  if (text !== "") parts.push({ type: "text", text });
  return parts;
}

function joined(first: string | Part[], second: string | Part[]): string | Part[] {
  if (typeof first === "string" && typeof second === "string") return `${first}\n\n${second}`;
  return [...asParts(first), ...asParts(second)];
}

function asParts(content: string | Part[]): Part[] {
  return typeof content === "string" ? [{ type: "text", text: content }] : content;
}

function base64Of(url: string): string {
  return url.slice(url.indexOf(",") + 1);
}

function formatOf(file: Attachment): string {
  return /mpeg|mp3/.test(file.mime) ? "mp3" : "wav";
}

const OPENS = /^\s*<think(?:ing)?>/;
const CLOSES = /<\/think(?:ing)?>\s*/;

/** Text whose engine left the model's thought in it, in two: what was thought and what was said. */
export function withoutThought(text: string): { thought: string; text: string } {
  const opening = OPENS.exec(text);
  if (!opening) return { thought: "", text };
  const rest = text.slice(opening[0].length);
  const closing = CLOSES.exec(rest);
  if (!closing) return { thought: rest, text: "" };
  return { thought: rest.slice(0, closing.index), text: rest.slice(closing.index + closing[0].length) };
}
