/** A moment as "5 min ago", kept fresh by one clock for the whole page, with the exact time as its title. */
import { useCallback, useSyncExternalStore } from "react";

import { serverNow } from "@/state/store";

import { ago, duration, UNKNOWN } from "./format";

const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

function wakeAll(): void {
  // Nobody reads ages on a page that is hidden; it is told when it is shown again.
  if (!document.hidden) listeners.forEach((each) => each());
}

function subscribe(listener: () => void): () => void {
  if (listeners.size === 0) {
    timer = setInterval(wakeAll, 1000);
    document.addEventListener("visibilitychange", wakeAll);
  }
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    document.removeEventListener("visibilitychange", wakeAll);
  };
}

/**
 * Unix seconds of the queen's clock, since all that is shown was timed by it; re-renders the
 * component each second, or when another `everyS` seconds have begun.
 */
export function useNow(everyS = 1): number {
  const read = useCallback(() => Math.floor(serverNow() / everyS) * everyS, [everyS]);
  return useSyncExternalStore(subscribe, read);
}

const CLOCK = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const WHOLE = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

/** The moment's time of day here: 14:05:09. */
export function clockOf(at: number): string {
  return CLOCK.format(at * 1000);
}

/** The moment's date and time here. */
export function dateOf(at: number): string {
  return WHOLE.format(at * 1000);
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
  if (at === null || at === undefined || !Number.isFinite(at)) return <span title="unknown">{UNKNOWN}</span>;
  const shown =
    mode === "ago"
      ? ago(now - at)
      : mode === "since"
        ? duration(Math.max(0, Math.floor(now - at)))
        : clockOf(at);
  return (
    <time dateTime={new Date(at * 1000).toISOString()} title={dateOf(at)} className="whitespace-nowrap num">
      {shown}
    </time>
  );
}
