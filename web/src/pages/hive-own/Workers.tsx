/** The workers of this hive: what runs, its log, its own page; stop and restart. */
import { AppWindow, CircleStop, RotateCw, ScrollText } from "lucide-react";
import { useMemo } from "react";

import { buttonClass, Card, type Column, Empty, IconButton, StatusDot, Table, Tooltip } from "@/ui";

import { restart, stop } from "./actions";
import type { Hive, Worker } from "./useHive";

const OVER = new Set(["stopped", "error"]);
const PAGES = /^(xllamacpp|llama-server)/; // llama.cpp's server brings a page

export function Workers({ hive, onLog }: { hive: Hive; onLog: (worker: Worker) => void }) {
  const { look } = hive;
  const columns = useMemo(() => columnsOf(onLog, look), [onLog, look]);
  return (
    <Card title="Workers" note={hive.workers ? String(hive.workers.length) : undefined} padded={false}>
      <Table
        label="Workers of this hive"
        rows={hive.workers ?? []}
        columns={columns}
        rowId={(worker) => worker.worker_id}
        onOpen={onLog}
        empty={
          <Empty
            title="No worker runs here"
            text="Start one from a model below; the queen starts them by herself when somebody asks for a model."
          />
        }
      />
    </Card>
  );
}

function columnsOf(onLog: (worker: Worker) => void, look: () => Promise<void>): Column<Worker>[] {
  return [
    {
      id: "model",
      header: "Model",
      width: "minmax(160px,2fr)",
      card: "title",
      sort: (worker) => worker.model,
      cell: (worker) => (
        <span className="truncate font-medium" title={worker.worker_id}>
          {worker.model}
        </span>
      ),
    },
    {
      id: "status",
      header: "Status",
      width: "minmax(110px,1fr)",
      sort: (worker) => worker.status,
      cell: (worker) => (
        <span title={worker.reason ?? undefined}>
          <StatusDot state={worker.status} />
        </span>
      ),
    },
    { id: "device", header: "Device", sort: (worker) => worker.device, cell: (worker) => worker.device },
    { id: "engine", header: "Engine", sort: (worker) => worker.engine, cell: (worker) => worker.engine },
    {
      id: "port",
      header: "Port",
      width: "80px",
      align: "right",
      sort: (worker) => worker.port,
      cell: (worker) => <span className="num">{worker.port}</span>,
    },
    {
      id: "actions",
      header: "Actions",
      quietHeader: true,
      width: "140px",
      card: "corner",
      cell: (worker) => <Actions worker={worker} onLog={onLog} look={look} />,
    },
  ];
}

function Actions({
  worker,
  onLog,
  look,
}: {
  worker: Worker;
  onLog: (worker: Worker) => void;
  look: () => Promise<void>;
}) {
  const over = OVER.has(worker.status);
  return (
    <span className="flex justify-end gap-0.5">
      {PAGES.test(worker.engine) && !over ? (
        <Tooltip text="Its own page">
          <a
            href={`/workers/${encodeURIComponent(worker.worker_id)}/ui/`}
            target="_blank"
            rel="noreferrer"
            aria-label={`The own page of ${worker.model}`}
            className={`${buttonClass("ghost", "sm")} px-1.5`}
            onClick={(event) => event.stopPropagation()}
          >
            <AppWindow aria-hidden />
          </a>
        </Tooltip>
      ) : null}
      <IconButton
        size="sm"
        label={`Log of ${worker.model}`}
        icon={<ScrollText />}
        onClick={() => onLog(worker)}
      />
      <IconButton
        size="sm"
        label={`Restart ${worker.model}`}
        icon={<RotateCw />}
        onClick={() => void restart(worker, look)}
      />
      <IconButton
        size="sm"
        label={`Stop ${worker.model}`}
        icon={<CircleStop />}
        disabled={over}
        onClick={() => void stop(worker, look)}
      />
    </span>
  );
}
