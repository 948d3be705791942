/**
 * Keys for every page: `useShortcut("g w", "Go to workers", fn)`; "?" lists all that are live now.
 *
 * The rule it keeps: single keys never fire while one types or while a dialog is open; chords with
 * "mod" (Ctrl, ⌘ on a Mac) do. A sequence like "g w" wants its second key within a second.
 */
import { useEffect, useRef } from "react";
import { create } from "zustand";

export interface Shortcut {
  keys: string;
  label: string;
  group: string;
  run: () => void;
}

const SEQUENCE_MS = 1_000;

interface Registry {
  all: readonly Shortcut[];
}
export const useShortcuts = create<Registry>(() => ({ all: [] }));

/** Registers a shortcut; returns what takes it away again. */
export function addShortcut(shortcut: Shortcut): () => void {
  useShortcuts.setState((state) => ({ all: [...state.all, shortcut] }));
  return () => useShortcuts.setState((state) => ({ all: state.all.filter((each) => each !== shortcut) }));
}

/** A shortcut as long as the component shows; `enabled` false leaves it out. */
export function useShortcut(
  keys: string,
  label: string,
  run: () => void,
  options: { group?: string; enabled?: boolean } = {},
): void {
  const latest = useRef(run);
  useEffect(() => {
    latest.current = run;
  });
  const { group = "This page", enabled = true } = options;
  useEffect(() => {
    if (!enabled) return undefined;
    return addShortcut({ keys, label, group, run: () => latest.current() });
  }, [keys, label, group, enabled]);
}

/** The chord of a key press, as shortcuts are written: "mod+k", "?", "g". */
export function chordOf(event: Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey">): string {
  const key = event.key === " " ? "space" : event.key.toLowerCase();
  return `${event.ctrlKey || event.metaKey ? "mod+" : ""}${event.altKey ? "alt+" : ""}${key}`;
}

/** What a press means: a shortcut to run, or the start of a sequence to wait for. Later ones win. */
export function match(
  all: readonly Shortcut[],
  before: string,
  chord: string,
): { run: Shortcut | null; waits: boolean } {
  const sequence = before ? `${before} ${chord}` : chord;
  const found =
    all.findLast((each) => each.keys === sequence) ??
    (before ? all.findLast((each) => each.keys === chord) : undefined);
  const waits = !found && all.some((each) => each.keys.startsWith(`${chord} `));
  return { run: found ?? null, waits };
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement && (target.isContentEditable || target.matches("input,textarea,select"))
  );
}

/** Listens once for the whole console; returns what stops it. */
export function startShortcuts(): () => void {
  let before = "";
  let timer: ReturnType<typeof setTimeout> | undefined;
  const hear = (event: KeyboardEvent) => {
    if (
      event.defaultPrevented ||
      event.isComposing ||
      ["Shift", "Control", "Alt", "Meta"].includes(event.key)
    )
      return;
    const chord = chordOf(event);
    const quiet =
      isTyping(event.target) ||
      document.querySelector('[role="dialog"],[role="alertdialog"],[role="menu"]') !== null;
    if (quiet && !chord.startsWith("mod+")) return;
    const { run, waits } = match(useShortcuts.getState().all, before, chord);
    clearTimeout(timer);
    before = waits ? chord : "";
    if (waits) timer = setTimeout(() => (before = ""), SEQUENCE_MS);
    if (run) {
      event.preventDefault();
      run.run();
    }
  };
  window.addEventListener("keydown", hear);
  return () => window.removeEventListener("keydown", hear);
}
