/** Above the page when the stream is lost: how old the data is, why, and that it comes back by itself. */
import { CloudOff } from "lucide-react";

import { reconnectNow, useConnection } from "@/state";
import { Button, cn, format } from "@/ui";

/** Reconnecting is usual and quick (a queen's restart takes a second); before this nobody is troubled. */
const QUIET_S = 3;

export function ConnectionBanner() {
  const { state, ageS, reason } = useConnection();
  const late = ageS !== null && ageS >= QUIET_S;
  if (state === "live" || state === "signed_out" || (state === "connecting" && !late)) return null;
  return (
    <div
      role="status"
      data-banner="connection"
      className="flex min-h-10 shrink-0 flex-wrap items-center gap-x-3 gap-y-1 border-b bg-warn-soft px-4 py-1.5 text-warn"
    >
      <CloudOff className="size-4 shrink-0" aria-hidden />
      <p className="min-w-0 flex-1">
        <span className="font-medium">The queen does not answer. </span>
        <span className="text-fg">
          {ageS === null ? "Nothing was heard from her yet" : `What you see is ${format.duration(ageS)} old`}
          {reason ? ` (${reason.replace(/\.$/, "")})` : ""}; the console reconnects by itself.
        </span>
      </p>
      <Button size="sm" onClick={reconnectNow}>
        Try now
      </Button>
    </div>
  );
}

/** The connection as a dot with words, for the foot of the navigation. */
export function ConnectionDot({ slim = false }: { slim?: boolean }) {
  const { state, ageS } = useConnection();
  const live = state === "live";
  const words = live
    ? "Live"
    : state === "connecting"
      ? "Connecting …"
      : `Lost${ageS === null ? "" : ` · ${format.duration(ageS)} old`}`;
  return (
    <span role="status" title={words} className="inline-flex items-center gap-1.5 text-xs text-muted num">
      <span
        className={cn(
          "size-2 rounded-full",
          live ? "bg-ok" : state === "lost" ? "bg-bad" : "bg-warn",
          !live && "animate-breathe",
        )}
        aria-hidden
      />
      <span className={slim ? "sr-only" : undefined}>{words}</span>
    </span>
  );
}
