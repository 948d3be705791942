/**
 * Small things that this browser remembers: drafts, presets, the model that was used last. A browser
 * that keeps nothing (or is full) only forgets them.
 */
import { PLAIN, type Sampling } from "../core/types";

const DRAFT = "rbee.chat.draft.";
const MODEL = "rbee.chat.model";
const PRESETS = "rbee.chat.presets";
const HISTORY = "rbee.chat.history";

function read(key: string): string {
  try {
    return localStorage.getItem(key) ?? "";
  } catch {
    return "";
  }
}

function write(key: string, value: string): void {
  try {
    if (value === "") localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // nothing is kept here
  }
}

export const draftOf = (chat: string): string => read(DRAFT + chat);
export const keepDraft = (chat: string, text: string): void => write(DRAFT + chat, text);
export const lastModel = (): string => read(MODEL);
export const keepModel = (model: string): void => write(MODEL, model);
/** Whether the list of chats is folded away. */
export const historyFolded = (): boolean => read(HISTORY) === "folded";
export const keepFolded = (folded: boolean): void => write(HISTORY, folded ? "folded" : "");

export interface Preset {
  name: string;
  sampling: Sampling;
}

/** What everybody has; one's own come after. */
export const BUILT_IN: readonly Preset[] = [
  { name: "The model's own", sampling: PLAIN },
  { name: "Precise", sampling: { ...PLAIN, temperature: 0.2, topP: 0.9 } },
  { name: "Inventive", sampling: { ...PLAIN, temperature: 1.1, topP: 0.95 } },
  { name: "Always the same", sampling: { ...PLAIN, temperature: 0, seed: 1 } },
  { name: "JSON", sampling: { ...PLAIN, temperature: 0.2, json: true } },
];

export function ownPresets(): Preset[] {
  try {
    const rows = JSON.parse(read(PRESETS) || "[]") as Preset[];
    return rows.map((row) => ({ name: row.name, sampling: { ...PLAIN, ...row.sampling } }));
  } catch {
    return [];
  }
}

export function keepPresets(presets: readonly Preset[]): void {
  write(PRESETS, presets.length === 0 ? "" : JSON.stringify(presets));
}
