/** The last things that happened, newest first. */
import { Link } from "@tanstack/react-router";

import { useTable } from "@/state";
import { Card, cn, Time } from "@/ui";

const SHOWN = 7;
const DOT = { info: "bg-line-strong", warning: "bg-warn", error: "bg-bad" };

export function Recent({ className }: { className?: string }) {
  const events = [...useTable("events").values()].sort((a, b) => b.seq - a.seq).slice(0, SHOWN);
  return (
    <Card
      title="Lately"
      padded={false}
      className={className ?? ""}
      actions={
        <Link
          to="/events"
          className="-my-2 inline-flex items-center rounded-sm px-1 text-xs text-muted hover:text-fg max-md:h-10"
        >
          All events
        </Link>
      }
    >
      {events.length === 0 ? (
        <p className="px-3.5 py-6 text-center text-muted">Nothing has happened since the queen started.</p>
      ) : (
        <ul className="py-1.5">
          {events.map((event) => (
            <li key={event.seq} className="flex items-baseline gap-2.5 px-3.5 py-[3px]">
              <span
                className={cn("size-1.5 shrink-0 -translate-y-px rounded-full", DOT[event.level])}
                aria-hidden
              />
              <span className="min-w-0 flex-1 truncate" title={event.message}>
                {event.level === "info" ? null : <span className="sr-only">{event.level}: </span>}
                {event.message}
              </span>
              <span className="shrink-0 text-2xs text-faint">
                <Time at={event.at} />
              </span>
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}
