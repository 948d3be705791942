/** A moment as "5 min ago", kept fresh by one clock for the whole page, with the exact time as its title. */
import { useSyncExternalStore } from "react";

import { ago, duration, UNKNOWN } from "./format";

let now_s = Date.now() / 1000;
const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    now_s = Date.now() / 1000;
    listeners.forEach((each) => each());
  }, 1000);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

/** Unix seconds, once a second; re-renders the component each time. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => now_s);
}

/** The moment `at` (unix seconds): how long ago, or with `mode` "since" how long it lasts, or the clock's time. */
export function Time({
  at,
  mode = "ago",
}: {
  at: number | null | undefined;
  mode?: "ago" | "since" | "clock";
}) {
  const now = useNow();
  if (at === null || at === undefined) return <span title="unknown">{UNKNOWN}</span>;
  const date = new Date(at * 1000);
  const shown =
    mode === "ago"
      ? ago(now - at)
      : mode === "since"
        ? duration(Math.max(0, Math.floor(now - at)))
        : date.toLocaleTimeString("en-GB");
  return (
    <time
      dateTime={date.toISOString()}
      title={date.toLocaleString("en-GB")}
      className="whitespace-nowrap num"
    >
      {shown}
    </time>
  );
}
