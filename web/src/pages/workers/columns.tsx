/** The columns of the workers' table. */
import { Hand } from "lucide-react";
import { memo, type ReactNode } from "react";

import { Sparkline } from "@/charts";
import { getRow, useRow, type LoadRow, type WorkerRow } from "@/state";
import { Badge, format, StatusDot, Time, type Column } from "@/ui";
import { nameParts } from "../models/names";
import { memoryMbOf, ROUTES, shortPlace, type Row } from "./rows";
import { RowActions, type RowActionsProps } from "./RowActions";
import { Slots } from "./Slots";

export interface ColumnActions extends Omit<RowActionsProps, "row"> {
  chosen: ReadonlySet<string>;
  onChoose: (id: string, chosen: boolean) => void;
}

export function columnsOf({ chosen, onChoose, ...actions }: ColumnActions): Column<Row>[] {
  return [
    {
      id: "choose",
      header: "Choose",
      quietHeader: true,
      width: "18px",
      card: false,
      cell: (row) => (
        <input
          type="checkbox"
          aria-label={`Choose ${row.worker.model} (${row.id})`}
          checked={chosen.has(row.id)}
          onChange={(event) => onChoose(row.id, event.target.checked)}
          className="size-3.5 accent-[var(--accent)] align-middle"
        />
      ),
    },
    {
      id: "model",
      header: "Model",
      width: "minmax(180px,2.4fr)",
      card: "title",
      sort: (row) => row.worker.model,
      text: (row) => `${row.worker.model} ${row.id} ${row.worker.engine}`,
      cell: (row) => <ModelCell worker={row.worker} />,
    },
    {
      id: "status",
      header: "Status",
      width: "minmax(104px,1.7fr)",
      card: "corner",
      sort: (row) => row.status,
      text: (row) => `${row.status} ${row.worker.reason ?? ""}`,
      cell: (row) => <StatusCell row={row} />,
    },
    {
      id: "place",
      header: "Hive · device",
      width: "minmax(150px,1.5fr)",
      sort: (row) => `${row.worker.hive_id} ${row.worker.device}`,
      cell: (row) => <PlaceCell row={row} />,
    },
    {
      id: "slots",
      header: "Slots",
      width: "minmax(112px,1fr)",
      sort: (row) => loadOf(row)?.running ?? loadOf(row)?.slots_busy,
      cell: (row) => <LoadCell row={row}>{(load) => <Slots worker={row.worker} load={load} />}</LoadCell>,
    },
    {
      id: "speed",
      header: "Tokens/s",
      width: "132px",
      sort: (row) => loadOf(row)?.tokens_per_s,
      cell: (row) => (
        <span className="flex items-center gap-2">
          <span className="max-sm:hidden">
            <Sparkline
              figure="worker.tokens_per_s"
              id={row.id}
              label={`Tokens a second of ${row.worker.model}, the last minutes`}
            />
          </span>
          <span className="sm:w-10 sm:text-right">
            <LoadCell row={row}>{(load) => speed(load)}</LoadCell>
          </span>
        </span>
      ),
    },
    {
      id: "memory",
      header: "Memory",
      width: "78px",
      align: "right",
      hideBelow: "lg",
      sort: (row) => memoryMbOf(loadOf(row)),
      cell: (row) => <LoadCell row={row}>{(load) => format.memoryMb(memoryMbOf(load))}</LoadCell>,
    },
    {
      id: "uptime",
      header: "Up",
      width: "84px",
      align: "right",
      hideBelow: "lg",
      sort: (row) => row.worker.started_at,
      cell: (row) => <Time at={row.worker.started_at} mode="since" />,
    },
    {
      id: "route",
      header: "Route",
      width: "60px",
      hideBelow: "xl",
      sort: (row) => row.worker.route,
      cell: (row) => <RouteCell row={row} />,
    },
    {
      id: "actions",
      header: "Actions",
      quietHeader: true,
      width: "116px",
      card: "wide",
      cell: (row) => (
        <>
          {row.worker.reason ? (
            <p className="mb-1 text-xs whitespace-normal text-muted sm:hidden">{row.worker.reason}</p>
          ) : null}
          <RowActions row={row} {...actions} />
        </>
      ),
    },
  ];
}

function loadOf(row: Row): LoadRow | undefined {
  return getRow("loads", row.id);
}

/** What changes each second: it listens by itself, and the row around it stays as it is. */
function LoadCell({ row, children }: { row: Row; children: (load: LoadRow | undefined) => ReactNode }) {
  return children(useRow("loads", row.id));
}

function speed(load: LoadRow | undefined): string {
  const value = load?.tokens_per_s;
  if (value === null || value === undefined) return format.UNKNOWN;
  return value >= 10 || value === 0 ? format.count(value) : value.toFixed(1);
}

const ModelCell = memo(function ModelCell({ worker }: { worker: WorkerRow }) {
  const { model, task, engine, manual, worker_id } = worker;
  const { name, from } = nameParts(model);
  return (
    // Where it is from goes to a second line that is cut off, unless a good part of it has room.
    <span
      className="flex h-5 min-w-0 flex-wrap items-center gap-1.5 overflow-hidden"
      title={`${model} (${worker_id}, ${engine})`}
    >
      <span className="max-w-full truncate font-medium">{name}</span>
      {task === "generate" ? null : <Badge>{task}</Badge>}
      {manual ? (
        <span
          className="text-faint [&_svg]:size-3"
          title="Started by hand: never unloaded because it is idle"
        >
          <Hand aria-label="started by hand" />
        </span>
      ) : null}
      {from ? <span className="min-w-0 flex-[1_1_6rem] truncate text-xs text-faint">{from}</span> : null}
    </span>
  );
});

function PlaceCell({ row }: { row: Row }) {
  const { hive_id, device } = row.worker;
  return (
    <span className="flex min-w-0 items-center gap-1.5" title={`${hive_id}, ${device}`}>
      <span className="truncate">{hive_id}</span>
      <span className="shrink-0 text-xs text-muted num">{shortPlace(device)}</span>
    </span>
  );
}

function StatusCell({ row }: { row: Row }) {
  const { reason, restarts } = row.worker;
  return (
    <span className="flex min-w-0 items-center gap-1.5" title={reason ?? undefined}>
      <StatusDot state={row.status} />
      {restarts > 0 ? (
        <span className="text-2xs text-warn num" title={`It has died ${restarts} times and started again`}>
          ↻{restarts}
        </span>
      ) : null}
      {reason && row.status !== "ready" && row.status !== "busy" ? (
        <span className="truncate text-xs text-muted max-sm:hidden">{reason}</span>
      ) : null}
    </span>
  );
}

function RouteCell({ row }: { row: Row }) {
  const route = row.worker.route === null ? undefined : ROUTES[row.worker.route];
  return (
    <span className="text-muted" title={route?.about ?? "The queen has no way to it now"}>
      {route?.label ?? format.UNKNOWN}
    </span>
  );
}
