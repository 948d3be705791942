/**
 * Whether the queen is another one than the page came from: then pages and routes no longer fit
 * together, and only loading the console anew helps.
 *
 * The first version that is heard counts as the page's own: it was served with it.
 */
import { getRow, subscribe } from "./store";

let first: string | null = null;

/** The queen's version where it is not the page's own; null: it is, or nothing was heard yet. */
export function newVersion(): string | null {
  const now = getRow("colony", "queen")?.version ?? null;
  first ??= now;
  return now === first ? null : now;
}

/** Hear when that may have changed. Returns how to stop. */
export const onVersion = (listener: () => void): (() => void) => subscribe("colony", listener);
