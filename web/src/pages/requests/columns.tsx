/** The columns of the requests' table. */
import { Link } from "@tanstack/react-router";
import { X } from "lucide-react";

import { serverNow, type RequestRow } from "@/state";
import { shortName } from "@/topology/model";
import { Badge, format, IconButton, StatusDot, useNow, type Column } from "@/ui";
import { cancelRequest } from "./cancel";
import { doorOf, isOpen, tookS, turnOf, waitedS } from "./rows";

export function columnsOf(operator: boolean): Column<RequestRow>[] {
  return [
    {
      id: "turn",
      header: "State",
      width: "minmax(112px,1fr)",
      card: "corner",
      sort: turnOf,
      text: (row) => row.state,
      cell: (row) => <StateCell row={row} />,
    },
    {
      id: "model",
      header: "Model",
      width: "minmax(130px,1.6fr)",
      card: "title",
      sort: (row) => row.model,
      text: (row) => `${row.model} ${row.job_id} ${row.reason ?? ""} ${doorOf(row.door) ?? ""}`,
      cell: (row) => (
        <span className="flex min-w-0 items-center gap-1.5">
          <span className="truncate font-medium" title={`${row.model} (${row.job_id})`}>
            {shortName(row.model)}
          </span>
          {doorOf(row.door) === null || doorOf(row.door) === "chat" ? null : (
            <Badge>{doorOf(row.door)}</Badge>
          )}
        </span>
      ),
    },
    {
      id: "client",
      header: "Client",
      width: "minmax(72px,0.8fr)",
      sort: (row) => row.client,
      cell: (row) => (
        <span className="flex min-w-0 items-center gap-1.5">
          <span className="truncate">{format.text(row.client)}</span>
          {row.priority ? (
            <Badge title="Its priority">{row.priority > 0 ? `+${row.priority}` : row.priority}</Badge>
          ) : null}
        </span>
      ),
    },
    {
      id: "waited",
      header: "Waited",
      width: "82px",
      align: "right",
      sort: (row) => waitedS(row, serverNow()),
      cell: (row) => <Span row={row} of={waitedS} />,
    },
    {
      id: "eta",
      header: "Its turn in",
      width: "84px",
      align: "right",
      sort: (row) => row.eta_s,
      cell: (row) =>
        row.state === "waiting" ? (
          <span
            title={row.eta_s === null ? "Not known until answers of this model were measured" : undefined}
          >
            {format.duration(row.eta_s)}
          </span>
        ) : (
          <span className="text-faint" aria-hidden>
            –
          </span>
        ),
    },
    {
      id: "took",
      header: "Time",
      width: "82px",
      align: "right",
      sort: (row) => tookS(row, serverNow()),
      cell: (row) => <Span row={row} of={tookS} />,
    },
    {
      id: "worker",
      header: "Worker · hive",
      width: "minmax(190px,2.2fr)",
      hideBelow: "lg",
      sort: (row) => row.worker_id,
      text: (row) => `${row.worker_id ?? ""} ${row.hive_id ?? ""}`,
      cell: (row) => <WorkerCell row={row} />,
    },
    {
      id: "why",
      header: "Why",
      width: "minmax(120px,2fr)",
      hideBelow: "xl",
      card: "wide",
      text: (row) => row.reason,
      cell: (row) => (
        <span className="block truncate text-muted" title={row.reason ?? undefined}>
          {row.reason ?? ""}
        </span>
      ),
    },
    {
      id: "cancel",
      header: "Cancel",
      quietHeader: true,
      width: "28px",
      card: false,
      cell: (row) =>
        operator && isOpen(row) ? (
          <IconButton
            size="sm"
            label={`Cancel the request for ${row.model}`}
            icon={<X />}
            onClick={(event) => {
              event.stopPropagation();
              void cancelRequest(row);
            }}
          />
        ) : null,
    },
  ];
}

function StateCell({ row }: { row: RequestRow }) {
  return (
    <span className="flex items-center gap-1.5">
      <StatusDot state={row.state} pulse={row.state === "running"} />
      {row.position === null ? null : (
        <span className="text-xs text-muted num" title="Its place in the queue of this model">
          #{row.position}
        </span>
      )}
    </span>
  );
}

/** A length of time that grows while the request is open. */
function Span({ row, of }: { row: RequestRow; of: (row: RequestRow, now: number) => number | null }) {
  useNow();
  const seconds = of(row, serverNow());
  return <>{seconds !== null && seconds < 1 ? format.latency(seconds) : format.duration(seconds)}</>;
}

function WorkerCell({ row }: { row: RequestRow }) {
  if (row.worker_id === null) return <span className="text-faint">{format.UNKNOWN}</span>;
  return (
    <span className="block truncate" title={`${row.worker_id} on ${row.hive_id ?? ""}`}>
      <Link
        to="/workers"
        search={{ worker: row.worker_id } as never}
        onClick={(event) => event.stopPropagation()}
        className="hover:underline"
      >
        {row.worker_id}
      </Link>
      <span className="text-faint"> · </span>
      <span className="text-muted">{row.hive_id}</span>
    </span>
  );
}
