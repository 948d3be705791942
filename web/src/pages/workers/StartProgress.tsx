/** A start under way: the download with its speed, the load against what it took before, then the way to chat. */
import { Link } from "@tanstack/react-router";
import { MessageSquareText, ScrollText } from "lucide-react";

import { Button, buttonClass, format, Notice, Progress, useNow } from "@/ui";
import type { Start } from "./wish";

/** A load that takes longer than last time must not look finished. */
const ALMOST = 0.95;

export function StartProgress({ start, onLogs }: { start: Start; onLogs: (workerId: string) => void }) {
  const { phase, worker, problem, said } = start;
  return (
    <div className="flex flex-col gap-4">
      {phase === "ready" && worker ? (
        <Ready start={start} onLogs={onLogs} />
      ) : phase === "failed" ? (
        <Notice title={problem?.message ?? "It was not started."}>{problem?.remedy}</Notice>
      ) : (
        <Going start={start} />
      )}
      <ol className="flex flex-col gap-0.5 font-mono text-2xs text-muted" aria-label="What the hive said">
        {said.map((line, at) => (
          <li key={at} className="break-words">
            {line}
          </li>
        ))}
      </ol>
    </div>
  );
}

function Going({ start }: { start: Start }) {
  const now = useNow();
  const { phase, download, wish, expected_s, loadingSince } = start;
  if (phase === "downloading" && download) {
    const share = download.total ? download.bytes / download.total : null;
    return (
      <Bar label={`Downloading ${wish.model}`} value={share}>
        {format.bytes(download.bytes)} of {format.bytes(download.total)} ·{" "}
        {format.rate(download.rate_bytes_s)}
        {download.eta_s === null ? null : ` · ${format.duration(download.eta_s)} left`}
      </Bar>
    );
  }
  if (phase === "loading" && loadingSince !== null) {
    const took = Math.max(0, now - loadingSince);
    return (
      <Bar label={`Loading ${wish.model}`} value={expected_s ? Math.min(ALMOST, took / expected_s) : null}>
        {format.duration(Math.round(took))}
        {expected_s ? ` of about ${format.duration(expected_s)}` : ""}
      </Bar>
    );
  }
  return (
    <Bar label={phase === "downloading" ? `Looking for ${wish.model}` : "Asking the hive"} value={null} />
  );
}

function Bar({
  label,
  value,
  children,
}: {
  label: string;
  value: number | null;
  children?: React.ReactNode;
}) {
  return (
    <div className="flex flex-col gap-1.5">
      {/* The figures below change each second: they would be read out for ever. */}
      <span className="font-medium" role="status">
        {label} …
      </span>
      <Progress value={value} label={label} />
      <span className="text-xs text-muted num">{children}</span>
    </div>
  );
}

function Ready({ start, onLogs }: { start: Start; onLogs: (workerId: string) => void }) {
  const { worker } = start;
  if (!worker) return null;
  return (
    <div className="flex flex-col gap-3 rounded-lg border border-line-strong bg-ok-soft p-4">
      <p>
        <span className="font-semibold">{worker.model}</span> serves on {start.wish.hive}, {worker.device}.
      </p>
      <div className="flex flex-wrap gap-2">
        <Link to="/chat" search={{ model: worker.model } as never} className={buttonClass("primary")}>
          <MessageSquareText aria-hidden /> Chat with it
        </Link>
        <Button icon={<ScrollText />} onClick={() => onLogs(worker.worker_id)}>
          Its log
        </Button>
      </div>
    </div>
  );
}
