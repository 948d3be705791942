/** What actions report back: toast.ok("Worker started"), toast.problem(error). Shown by Toaster. */
import { create } from "zustand";

import { ABORTED, Problem } from "@/api/problems";

export interface Toast {
  id: number;
  tone: "ok" | "bad" | "info";
  title: string;
  remedy?: string | undefined;
  action?: { label: string; run: () => void } | undefined;
}

/** Good news leaves by itself; a problem stays until it is closed, since its remedy wants to be read. */
const OK_SHOWN_MS = 4_000;
/** One with a button has to be reached, also by keyboard. */
const ACTION_SHOWN_MS = 12_000;
/** While somebody is at the messages none leaves; looked at again after this. */
const HELD_MS = 1_000;
/** More would hide the page; the oldest leaves. */
const SHOWN_MAX = 4;

interface Toasts {
  toasts: readonly Toast[];
}
export const useToasts = create<Toasts>(() => ({ toasts: [] }));

let next = 1;
let held = false;

/** The pointer or the focus is at the messages: they stay. */
export function holdToasts(hold: boolean): void {
  held = hold;
}

export function dismiss(id: number): void {
  held = false; // what was under the pointer is gone, and nothing says that the pointer left
  useToasts.setState((state) => ({ toasts: state.toasts.filter((each) => each.id !== id) }));
}

function show(made: Omit<Toast, "id">): number {
  const id = next++;
  useToasts.setState((state) => ({
    // The same words twice are one toast, come again.
    toasts: [
      ...state.toasts.filter((each) => each.title !== made.title || each.remedy !== made.remedy),
      { ...made, id },
    ].slice(-SHOWN_MAX),
  }));
  if (made.tone !== "bad") leave(id, made.action ? ACTION_SHOWN_MS : OK_SHOWN_MS);
  return id;
}

function leave(id: number, ms: number): void {
  setTimeout(() => (held ? leave(id, HELD_MS) : dismiss(id)), ms);
}

/** The words of whatever was thrown: a Problem of the server brings its message and its remedy. */
export function wordsOf(error: unknown): { message: string; remedy: string | undefined } {
  if (typeof error === "object" && error !== null) {
    const { message, remedy } = error as { message?: unknown; remedy?: unknown };
    if (typeof message === "string" && message)
      return { message, remedy: typeof remedy === "string" && remedy ? remedy : undefined };
  }
  return {
    message: typeof error === "string" && error ? error : "Something failed without saying why.",
    remedy: undefined,
  };
}

export const toast = {
  ok: (title: string, action?: Toast["action"]) => show({ tone: "ok", title, action }),
  info: (title: string, action?: Toast["action"]) => show({ tone: "info", title, action }),
  /** Shows why something failed and what helps; an aborted call is silent, for that was the user's wish. */
  problem: (error: unknown, action?: Toast["action"]) => {
    if (error instanceof DOMException && error.name === "AbortError") return 0;
    if (error instanceof Problem && error.code === ABORTED) return 0;
    const { message, remedy } = wordsOf(error);
    return show({ tone: "bad", title: message, remedy, action });
  },
};
