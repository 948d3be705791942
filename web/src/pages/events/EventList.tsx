/**
 * What happened, newest first, as it happens; held still while somebody reads (`p`).
 *
 * Held, the list is the one of that moment and a line counts what came since.
 */
import { Link } from "@tanstack/react-router";
import { Pause, Play, ScrollText } from "lucide-react";
import { useCallback, useMemo, useState } from "react";

import { useShortcut, useUrlState } from "@/app";
import { useKnown, useTable, type EventRow } from "@/state";
import {
  Badge,
  Button,
  Card,
  clockOf,
  cn,
  Empty,
  format,
  Loading,
  SearchInput,
  Segmented,
  Select,
  Table,
  Time,
  type Column,
} from "@/ui";
import { groupOf, passes, targetOf, verbOf } from "./kinds";

const DOT = { info: "bg-line-strong", warning: "bg-warn", error: "bg-bad" };

export function EventList() {
  const table = useTable("events");
  const [held, setHeld] = useState<ReadonlyMap<string, EventRow> | null>(null);
  const [words, setWords] = useUrlState("q");
  const [group, setGroup] = useUrlState("kind");
  const [level, setLevel] = useUrlState("level", "info");
  const [subject, setSubject] = useUrlState("subject");
  const events = held ?? table;

  const hold = useCallback(() => setHeld((old) => (old === null ? table : null)), [table]);
  useShortcut("p", "Hold the events still, or follow", hold);
  const groups = useMemo(
    () => [...new Set([...events.values()].map((one) => groupOf(one.kind)))].sort(),
    [events],
  );
  const rows = useMemo(
    () => [...events.values()].filter((event) => passes(event, { group, level, subject })),
    [events, group, level, subject],
  );
  const columns = useMemo(() => columnsOf(setSubject), [setSubject]);
  const missed = held === null ? 0 : newer(table, held);
  return (
    <div className="flex flex-col gap-3">
      <div className="flex flex-wrap items-center gap-2">
        <SearchInput value={words} onChange={setWords} label="Filter events" className="max-sm:w-full" />
        <Select
          label="About"
          className="w-auto"
          value={group}
          onChange={setGroup}
          options={[
            { value: "", label: "About: all" },
            ...[...new Set([...groups, ...(group ? [group] : [])])].map((one) => ({
              value: one,
              label: one,
            })),
          ]}
        />
        <Segmented
          label="Level"
          value={level}
          onChange={setLevel}
          options={[
            { value: "info", label: "All" },
            { value: "warning", label: "Warnings" },
            { value: "error", label: "Errors" },
          ]}
        />
        {subject ? (
          <Button size="sm" variant="ghost" onClick={() => setSubject("")} title="Show all again">
            only {subject} ×
          </Button>
        ) : null}
        <span className="ml-auto flex items-center gap-2">
          <span className="text-xs text-muted num">
            {missed > 0 ? `${format.count(missed)} new` : format.plural(rows.length, "event")}
          </span>
          <Button
            size="sm"
            icon={held === null ? <Pause /> : <Play />}
            onClick={hold}
            aria-pressed={held !== null}
          >
            {held === null ? "Pause" : "Follow"}
          </Button>
        </span>
      </div>
      <Card padded={false}>
        <Table
          label="Events"
          rows={rows}
          columns={columns}
          rowId={idOf}
          filter={words}
          defaultSort={{ id: "at", desc: true }}
          empty={<Nothing filtered={events.size > 0} />}
        />
      </Card>
    </div>
  );
}

const idOf = (event: EventRow) => String(event.seq);

function newer(now: ReadonlyMap<string, EventRow>, then: ReadonlyMap<string, EventRow>): number {
  let count = 0;
  for (const key of now.keys()) if (!then.has(key)) count += 1;
  return count;
}

function columnsOf(onSubject: (subject: string) => void): Column<EventRow>[] {
  return [
    {
      id: "at",
      header: "When",
      width: "104px",
      card: "corner",
      sort: (event) => event.seq,
      text: (event) => clockOf(event.at),
      cell: (event) => (
        <span className="text-muted">
          <Time at={event.at} />
        </span>
      ),
    },
    {
      id: "message",
      header: "What",
      width: "minmax(200px,4fr)",
      card: "title",
      text: (event) => `${event.message} ${event.subject} ${event.kind} ${event.level}`,
      cell: (event) => (
        <span className="flex min-w-0 items-baseline gap-2.5">
          <span
            className={cn("size-1.5 shrink-0 -translate-y-px rounded-full", DOT[event.level])}
            aria-hidden
          />
          {event.level === "info" ? null : <span className="sr-only">{event.level}: </span>}
          <span className="min-w-0 truncate max-sm:whitespace-normal" title={event.message}>
            {event.message}
          </span>
        </span>
      ),
    },
    {
      id: "kind",
      header: "Kind",
      width: "minmax(120px,1fr)",
      hideBelow: "lg",
      sort: (event) => event.kind,
      cell: (event) => (
        <span className="flex items-center gap-1.5">
          <Badge>{groupOf(event.kind)}</Badge>
          <span className="text-muted">{verbOf(event.kind)}</span>
        </span>
      ),
    },
    {
      id: "subject",
      header: "Subject",
      width: "minmax(130px,1.2fr)",
      sort: (event) => event.subject,
      cell: (event) => <Subject event={event} onSubject={onSubject} />,
    },
  ];
}

/** Leads to the thing; with the mouse over it also to all events of it. */
function Subject({ event, onSubject }: { event: EventRow; onSubject: (subject: string) => void }) {
  const target = targetOf(event);
  return (
    <span className="group flex min-w-0 items-center gap-2">
      {target === null ? (
        <span className="truncate">{event.subject}</span>
      ) : (
        <Link
          to={target.to}
          search={target.search as never}
          className="truncate underline decoration-line-strong underline-offset-2 hover:text-accent-text"
          title={`Show ${event.subject}`}
        >
          {event.subject}
        </Link>
      )}
      <button
        type="button"
        onClick={() => onSubject(event.subject)}
        className="shrink-0 rounded-sm px-1 text-2xs text-faint opacity-0 hover:text-fg focus-visible:opacity-100 pointer-coarse:opacity-100 group-hover:opacity-100"
        title={`Only events of ${event.subject}`}
      >
        only
      </button>
    </span>
  );
}

function Nothing({ filtered }: { filtered: boolean }) {
  if (!useKnown()) return <Loading text="Fetching the colony's state …" />;
  return (
    <Empty
      icon={<ScrollText />}
      title={filtered ? "No event is like that" : "Nothing has happened since the queen started"}
      text={
        filtered
          ? "Take a filter away to see the others. The last thousand are kept."
          : "Hives that come and go, workers that start or crash, downloads and keys show here as it happens."
      }
    />
  );
}
