/** Is the window as narrow as a phone? Re-renders only when that changes. */
import { useSyncExternalStore } from "react";

const NARROW = "(max-width: 767px)";

export function useMedia(query: string): boolean {
  return useSyncExternalStore(
    (listener) => {
      const media = matchMedia(query);
      media.addEventListener("change", listener);
      return () => media.removeEventListener("change", listener);
    },
    () => matchMedia(query).matches,
  );
}

export function useNarrow(): boolean {
  return useMedia(NARROW);
}
