/** Is the window as narrow as a phone? Re-renders only when that changes. */
import { useSyncExternalStore } from "react";

const NARROW = "(max-width: 767px)";

interface Watch {
  listen: (listener: () => void) => () => void;
  matches: () => boolean;
}

/** One watch a query for the whole console: what is made anew with each render is subscribed anew. */
const watches = new Map<string, Watch>();

function watchOf(query: string): Watch {
  let watch = watches.get(query);
  if (!watch) {
    const media = matchMedia(query);
    watch = {
      listen: (listener) => {
        media.addEventListener("change", listener);
        return () => media.removeEventListener("change", listener);
      },
      matches: () => media.matches,
    };
    watches.set(query, watch);
  }
  return watch;
}

export function useMedia(query: string): boolean {
  const { listen, matches } = watchOf(query);
  return useSyncExternalStore(listen, matches);
}

export function useNarrow(): boolean {
  return useMedia(NARROW);
}
