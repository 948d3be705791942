/**
 * What happens before the first word: a place in the queue, a download, a load, a prompt that is
 * read. Nobody looks at a frozen page: each step has words, and a bar or a time where it is known.
 */
import { useEffect, useState } from "react";

import { type DownloadRow, serverNow, useTable, type WorkerRow } from "@/state";
import { format, Progress } from "@/ui";

import type { Meter, Queue } from "../core/meter";
import { usePlan } from "./ModelPicker";

/** An answer of a ready model is there before this: words that flash by help nobody. */
const QUIET_MS = 600;

export function Waiting({ meter, model, hiveId }: { meter: Meter; model: string; hiveId: string | null }) {
  const now = useSteadyNow();
  const sinceMs = now - meter.sentAt;
  if (meter.prefill && !meter.queue) return <Reading meter={meter} />;
  if (sinceMs < QUIET_MS && !meter.queue) return <Dots words="Thinking" />;
  return (
    <div className="flex max-w-md flex-col gap-2 rounded-lg border bg-surface px-3.5 py-3 text-sm">
      <Steps model={model} hiveId={hiveId} queue={meter.queue} now={now} sinceMs={sinceMs} />
    </div>
  );
}

interface StepsProps {
  model: string;
  hiveId: string | null;
  queue: Queue | null;
  now: number;
  sinceMs: number;
}

function Steps({ model, queue, now, sinceMs }: StepsProps) {
  const workers = [...useTable("workers").values()].filter((row) => row.model === model);
  const downloads = [...useTable("downloads").values()].filter((row) => row.model === model);
  const ready = workers.some((row) => row.serving);
  const plan = usePlan(model, !ready);
  const starting = workers.find((row) => row.status === "starting");
  const fetching = downloads.find((row) => row.state === "running" || row.state === "queued") ?? downloads[0];
  if (queue?.position === 0)
    return (
      <>
        <Line words={queue.reason} timeS={(now - queue.at) / 1000} />
        <Progress value={null} label="Waiting for the queen" />
      </>
    );
  if (fetching && !ready) return <Fetching row={fetching} />;
  if (starting && !ready)
    return <Loading row={starting} about={plan?.ready_in_s ?? null} fallbackS={sinceMs / 1000} />;
  if (ready && queue) return <InQueue queue={queue} now={now} />;
  return (
    <>
      <Line words={queue ? capital(queue.reason) : `Asking ${model}`} timeS={sinceMs / 1000} />
      {plan && !ready ? <p className="text-xs text-muted">{plan.message}</p> : null}
      <Progress value={null} label="Waiting" />
    </>
  );
}

/** "12 s of about 20 s": what is known of a load is how long it took before. */
function Loading({ row, about, fallbackS }: { row: WorkerRow; about: number | null; fallbackS: number }) {
  const sinceS = row.started_at === null ? fallbackS : Math.max(0, serverNow() - row.started_at);
  const expected = row.load_s ?? about;
  const share = expected === null || expected <= 0 ? null : Math.min(0.97, sinceS / expected);
  return (
    <>
      <Line
        words={`Loading ${row.model} onto ${row.hive_id} ${row.device}`}
        timeS={sinceS}
        of={expected === null ? null : `of about ${format.duration(expected)}`}
      />
      <Progress value={share} label={`Loading ${row.model}`} />
    </>
  );
}

function Fetching({ row }: { row: DownloadRow }) {
  // What is checked or installed is here already: bytes and rates say nothing any more.
  const coming = row.phase === "download" || row.state !== "running";
  const share = coming && row.total ? row.bytes / row.total : null;
  const figures = coming
    ? [
        row.total ? `${format.bytes(row.bytes)} of ${format.bytes(row.total)}` : format.bytes(row.bytes),
        row.rate_bytes_s ? format.rate(row.rate_bytes_s) : null,
        row.eta_s === null ? null : `${format.duration(row.eta_s)} left`,
        row.reason,
      ].filter(Boolean)
    : [];
  return (
    <>
      <Line words={`${fetchWord(row)} ${row.model} ${coming ? "to" : "on"} ${row.hive_id}`} timeS={null} />
      <Progress value={share} label={`${coming ? "Downloading" : fetchWord(row)} ${row.model}`} />
      {figures.length > 0 ? <p className="num text-xs text-muted">{figures.join(" · ")}</p> : null}
    </>
  );
}

function fetchWord(row: DownloadRow): string {
  if (row.state === "queued") return "Waits to download";
  if (row.state === "paused") return "Download paused:";
  if (row.phase === "verify") return "Checking";
  return row.phase === "install" ? "Installing" : "Downloading";
}

function InQueue({ queue, now }: { queue: Queue; now: number }) {
  const leftS = queue.etaS === null ? null : Math.max(0, queue.etaS - (now - queue.at) / 1000);
  return (
    <>
      <Line
        words={queue.position === 1 ? "Next in the queue" : `Number ${queue.position} in the queue`}
        timeS={null}
        of={leftS === null ? null : `about ${format.duration(Math.ceil(leftS))}`}
      />
      <Progress value={null} label="Waiting in the queue" />
      <p className="text-xs text-muted">{capital(queue.reason)}</p>
    </>
  );
}

/** A prompt that is read: how far, how fast, how long. */
function Reading({ meter }: { meter: Meter }) {
  const { prefill } = meter;
  if (!prefill) return null;
  const figures = [
    `${format.count(prefill.done)} of ${format.count(prefill.total)} tokens`,
    prefill.cached > 0 ? `${format.count(prefill.cached)} known already` : null,
    prefill.etaS === null || prefill.share >= 1
      ? null
      : `about ${format.duration(Math.ceil(prefill.etaS))} left`,
  ];
  return (
    <div className="flex max-w-md flex-col gap-2 rounded-lg border bg-surface px-3.5 py-3 text-sm">
      <Line words="Reading the prompt" timeS={null} of={format.percent(prefill.share * 100)} />
      <Progress value={prefill.share} label="Reading the prompt" />
      <p className="num text-xs text-muted">{figures.filter(Boolean).join(" · ")}</p>
    </div>
  );
}

function Line({ words, timeS, of }: { words: string; timeS: number | null; of?: string | null }) {
  return (
    <p className="flex items-baseline gap-2">
      {/* Only the words are read out when they change: the figures beside them always do. */}
      <span className="min-w-0 flex-1" role="status">
        {words}
        {timeS === null && !of ? "" : " …"}
      </span>
      <span className="num shrink-0 text-xs text-muted">
        {timeS === null ? "" : format.duration(Math.floor(timeS))} {of ?? ""}
      </span>
    </p>
  );
}

function Dots({ words }: { words: string }) {
  return (
    <p className="flex h-6 items-center gap-2 text-sm text-muted" role="status">
      <span className="size-2 rounded-full bg-accent animate-breathe" aria-hidden />
      <span>{words} …</span>
    </p>
  );
}

/** A clock that goes four times a second, for bars and counts. */
function useSteadyNow(): number {
  const [now, setNow] = useState(() => performance.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(performance.now()), 250);
    return () => clearInterval(timer);
  }, []);
  return now;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
