/** How far back the small charts look: as far as this browser has watched, in round steps, ten minutes at most. */
import { useSyncExternalStore } from "react";

import { onTick, watchedS } from "@/state";

const STEPS_S = [60, 120, 300, 600];

export function useSpan(): number {
  return useSyncExternalStore(onTick, () => STEPS_S.find((step) => watchedS() <= step) ?? 600);
}
