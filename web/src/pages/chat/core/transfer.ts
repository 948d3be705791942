/**
 * Chats out of the browser and in again: JSON for machines (all branches), Markdown for people (the
 * path that is shown).
 *
 * Pure. An import is read with suspicion: it is a file from anywhere. What does not fit is refused
 * with the reason; ids are made anew, so that importing twice makes two chats and overwrites none.
 */
import { pathOf, treeOf, type Tree } from "./tree";
import { type Attachment, type Chat, type Facts, factsOf, PLAIN, type Sampling, type Turn } from "./types";

const FORMAT = "rbee-chat";
const VERSION = 1;

/** One chat with its trees. */
export interface Whole {
  chat: Chat;
  trees: Tree[];
}

export function asJson(chats: readonly Whole[], now: number): string {
  return JSON.stringify(
    {
      format: FORMAT,
      version: VERSION,
      exportedAt: new Date(now).toISOString(),
      chats: chats.map(({ chat, trees }) => ({
        ...chat,
        panes: chat.panes.map((pane, index) => {
          const tree = trees[index];
          return {
            ...pane,
            turns: tree ? [...tree.turns.values()] : [],
            chosen: tree ? [...tree.chosen] : [],
          };
        }),
      })),
    },
    null,
    2,
  );
}

export function asMarkdown({ chat, trees }: Whole): string {
  const parts = [`# ${chat.title}`];
  if (chat.sampling.system) parts.push(`> ${chat.sampling.system.replaceAll("\n", "\n> ")}`);
  trees.forEach((tree, index) => {
    const model = chat.panes[index]?.model ?? "";
    if (trees.length > 1) parts.push(`# ${model}`);
    for (const turn of pathOf(tree)) {
      parts.push(turn.role === "user" ? "## You" : `## ${turn.facts?.model ?? model}`);
      for (const file of turn.attachments ?? []) parts.push(`*(${file.kind}: ${file.name})*`);
      parts.push(turn.text);
    }
  });
  return `${parts.join("\n\n")}\n`;
}

type Json = Record<string, unknown>;

/** Largest file that is read: a JSON text is held in memory three times while it is taken apart. */
export const IMPORT_BYTES_MAX = 64 * 1024 * 1024;

/**
 * The chats of an exported file, with new ids.
 *
 * @throws Error what is wrong with the file, in words for a person.
 */
export function fromJson(text: string, newId: () => string): Whole[] {
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch {
    throw new Error("The file is no JSON.");
  }
  if (!isJson(file) || file["format"] !== FORMAT || !Array.isArray(file["chats"])) {
    throw new Error("The file is no export of chats from rbee.");
  }
  if (number(file["version"]) !== VERSION) {
    throw new Error(`The file has version ${String(file["version"])}; this console reads ${VERSION}.`);
  }
  return (file["chats"] as unknown[]).filter(isJson).map((row) => wholeOf(row, newId));
}

function wholeOf(row: Json, newId: () => string): Whole {
  const panes = list(row["panes"]).filter(isJson).slice(0, 2);
  const chat: Chat = {
    id: newId(),
    title: string(row["title"]) || "Imported chat",
    titled: row["titled"] === true,
    createdAt: number(row["createdAt"]) ?? 0,
    updatedAt: number(row["updatedAt"]) ?? 0,
    panes: panes.map((pane) => ({ model: string(pane["model"]) })),
    sampling: samplingOf(row["sampling"]),
    pinned: row["pinned"] === true,
  };
  return { chat, trees: panes.map((pane) => treeFrom(pane, newId)) };
}

function treeFrom(pane: Json, newId: () => string): Tree {
  const ids = new Map<string, string>();
  const rows = list(pane["turns"]).filter(isJson);
  for (const row of rows) ids.set(string(row["id"]), newId());
  const turns = rows.map((row) => turnOf(row, ids));
  const chosen = list(pane["chosen"])
    .filter(
      (pair): pair is [string, string] => Array.isArray(pair) && pair.every((id) => typeof id === "string"),
    )
    .map(([key, id]) => [ids.get(key) ?? key, ids.get(id) ?? id] as const);
  return treeOf(turns, chosen);
}

function turnOf(row: Json, ids: ReadonlyMap<string, string>): Turn {
  const turn: Turn = {
    id: ids.get(string(row["id"])) ?? "",
    parent: ids.get(string(row["parent"])) ?? null,
    role: row["role"] === "assistant" ? "assistant" : "user",
    text: string(row["text"]),
    at: number(row["at"]) ?? 0,
  };
  if (typeof row["thought"] === "string") turn.thought = row["thought"];
  const files = list(row["attachments"]).filter(isAttachment);
  if (files.length > 0) turn.attachments = files;
  if (isJson(row["facts"])) turn.facts = factsFrom(row["facts"]);
  return turn;
}

/** Known fields of the right type; whatever else stands there is dropped. */
function factsFrom(row: Json): Facts {
  const facts: Facts = factsOf(string(row["model"]));
  const into = facts as unknown as Json;
  for (const name of [
    "promptTokens",
    "cachedTokens",
    "completionTokens",
    "firstMs",
    "waitedMs",
    "totalMs",
    "tokensPerS",
    "prefillPerS",
  ]) {
    into[name] = number(row[name]);
  }
  for (const name of ["jobId", "workerId", "hiveId"]) into[name] = string(row[name]) || null;
  const finish = string(row["finish"]);
  if (["stop", "length", "tool_calls", "stopped", "failed", "cut"].includes(finish)) into["finish"] = finish;
  return facts;
}

function samplingOf(value: unknown): Sampling {
  const row = isJson(value) ? value : {};
  return {
    ...PLAIN,
    system: string(row["system"]),
    temperature: number(row["temperature"]),
    topP: number(row["topP"]),
    topK: number(row["topK"]),
    maxTokens: number(row["maxTokens"]),
    seed: number(row["seed"]),
    stop: list(row["stop"]).filter((each): each is string => typeof each === "string"),
    json: row["json"] === true,
  };
}

function isAttachment(value: unknown): value is Attachment {
  // Nothing but the content itself: an address would be fetched when the chat is opened.
  return (
    isJson(value) &&
    (value["kind"] === "image" || value["kind"] === "audio") &&
    string(value["url"]).startsWith(`data:${value["kind"]}/`)
  );
}

function isJson(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const list = (value: unknown): unknown[] => (Array.isArray(value) ? (value as unknown[]) : []);
const string = (value: unknown): string => (typeof value === "string" ? value : "");
const number = (value: unknown): number | null =>
  typeof value === "number" && Number.isFinite(value) ? value : null;
