/** What is on its way, waits, is paused or has failed: target, speed, time left, and what can be done about it. */
import { Pause, Play, RotateCcw, X } from "lucide-react";
import { useMemo, useState } from "react";

import { useSession } from "@/api";
import type { DownloadRow } from "@/state";
import { Badge, Card, format, IconButton, Progress, Table, type Column, type Tone, inWords } from "@/ui";
import { cancelDownload, pauseDownload, resumeDownload } from "./actions";
import { shortName } from "./names";
import { shareOf } from "./rows";

const TONES: Record<DownloadRow["state"], Tone> = {
  running: "info",
  queued: "neutral",
  paused: "warn",
  failed: "bad",
};
const ORDER: Record<DownloadRow["state"], number> = { running: 0, queued: 1, failed: 2, paused: 3 };

export interface DownloadQueueProps {
  rows: readonly DownloadRow[];
  /** Opens the model, where the whole reason of a failure stands. */
  onOpen: (row: DownloadRow) => void;
}

export function DownloadQueue({ rows, onOpen }: DownloadQueueProps) {
  const operator = useSession((session) => session.operator);
  const sorted = useMemo(
    () =>
      [...rows].sort(
        (a, b) =>
          ORDER[a.state] - ORDER[b.state] || (a.position ?? 0) - (b.position ?? 0) || a.since - b.since,
      ),
    [rows],
  );
  const columns = useMemo(() => columnsOf(operator), [operator]);
  return (
    <Card padded={false} title="On their way" note={noteOf(rows)}>
      <Table label="Downloads" rows={sorted} columns={columns} rowId={idOf} onOpen={onOpen} />
    </Card>
  );
}

const idOf = (row: DownloadRow) => `${row.hive_id}/${row.model}`;

/** All together: how fast, and how many wait. */
function noteOf(rows: readonly DownloadRow[]): string {
  const running = rows.filter((row) => row.state === "running");
  const speed = running.reduce((sum, row) => sum + (row.rate_bytes_s ?? 0), 0);
  const queued = rows.filter((row) => row.state === "queued").length;
  return [
    running.length > 0 ? `${running.length} running at ${format.rate(speed)}` : "",
    queued > 0 ? `${queued} waiting` : "",
  ]
    .filter(Boolean)
    .join(" · ");
}

function columnsOf(operator: boolean): Column<DownloadRow>[] {
  return [
    {
      id: "model",
      header: "Model",
      width: "minmax(160px,2fr)",
      card: "title",
      sort: (row) => shortName(row.model),
      cell: (row) => (
        <span className="font-medium" title={row.model}>
          {shortName(row.model)}
        </span>
      ),
    },
    {
      id: "target",
      header: "To",
      width: "minmax(90px,1fr)",
      sort: (row) => row.hive_id,
      cell: (row) => (
        <span title={row.from_hive ? `from the hive ${row.from_hive}` : (row.source ?? undefined)}>
          {row.hive_id}
          {row.from_hive ? <span className="text-faint"> from {row.from_hive}</span> : null}
        </span>
      ),
    },
    {
      id: "state",
      header: "State",
      width: "minmax(96px,0.8fr)",
      card: "corner",
      sort: (row) => ORDER[row.state],
      cell: (row) => <StateBadge row={row} />,
    },
    {
      id: "progress",
      header: "Progress",
      width: "minmax(180px,2fr)",
      card: "wide",
      sort: shareOf,
      cell: (row) => <Bar row={row} />,
    },
    {
      id: "speed",
      header: "Speed",
      width: "92px",
      align: "right",
      sort: (row) => row.rate_bytes_s,
      cell: (row) => (row.state === "running" ? format.rate(row.rate_bytes_s) : format.UNKNOWN),
    },
    {
      id: "eta",
      header: "Left",
      width: "92px",
      align: "right",
      sort: (row) => row.eta_s,
      cell: (row) => (row.state === "running" ? format.duration(row.eta_s) : format.UNKNOWN),
    },
    {
      id: "actions",
      header: "Actions",
      quietHeader: true,
      width: "64px",
      card: "wide",
      cell: (row) => <Actions row={row} operator={operator} />,
    },
  ];
}

function StateBadge({ row }: { row: DownloadRow }) {
  const words =
    row.state === "queued" && row.position !== null
      ? `${row.position}. in line`
      : row.state === "running" && row.phase !== "download"
        ? row.phase
        : row.state;
  return (
    <Badge tone={TONES[row.state]} title={row.reason ?? undefined}>
      {words}
    </Badge>
  );
}

function Bar({ row }: { row: DownloadRow }) {
  if (row.state === "failed")
    return (
      <span className="text-xs text-bad" title={`${row.reason ?? ""} ${row.remedy ?? ""}`}>
        {inWords(`${row.reason ?? "It failed."} ${row.remedy ?? ""}`)}
      </span>
    );
  const share = shareOf(row);
  const idle = row.state === "queued" || row.state === "paused";
  return (
    <span className="flex items-center gap-2.5">
      <Progress
        value={idle ? (share ?? 0) : share}
        label={`${shortName(row.model)} to ${row.hive_id}`}
        tone={row.state === "paused" ? "warn" : row.state === "queued" ? "neutral" : "accent"}
      />
      <span className="shrink-0 text-xs text-muted num">
        {format.bytes(row.bytes)} of {format.bytes(row.total)}
      </span>
    </span>
  );
}

function Actions({ row, operator }: { row: DownloadRow; operator: boolean }) {
  // The row says what came of it a second later: until then the same is not asked for twice.
  const [doing, setDoing] = useState<string | null>(null);
  const act = async (label: string, run: () => Promise<unknown>) => {
    setDoing(label);
    await run();
    setDoing((old) => (old === label ? null : old));
  };
  const button = (label: string, icon: React.ReactNode, run: () => Promise<unknown>) => {
    const why = operator ? (doing === label ? "asked for" : null) : "This key may look, not act";
    return (
      <IconButton
        size="sm"
        className="max-sm:size-10"
        label={why ? `${label}: ${why}` : label}
        icon={icon}
        aria-disabled={why !== null}
        onClick={() => why === null && void act(label, run)}
      />
    );
  };
  return (
    <span className="inline-flex">
      {row.state === "running" || row.state === "queued"
        ? button("Pause", <Pause />, () => pauseDownload(row))
        : row.state === "failed"
          ? button("Try again", <RotateCcw />, () => resumeDownload(row))
          : button("Resume", <Play />, () => resumeDownload(row))}
      {button(row.state === "failed" ? "Dismiss" : "Cancel", <X />, () => cancelDownload(row))}
    </span>
  );
}
