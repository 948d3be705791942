/**
 * The queen's, a hive's and a worker's own pages beside each other, each as it shows itself.
 *
 * Which panes are open, and whose, stands in the URL (`panes`, `hive`, `worker`). At 390 px one shows
 * at a time. Frames hold other origins: what is shown there can read nothing of this page.
 */
import { Link } from "@tanstack/react-router";
import { type ReactNode, useMemo } from "react";

import { useUrlState } from "@/app";
import { type HiveRow, useTable, type WorkerRow } from "@/state";
import { buttonClass, PageHeader, Segmented, Select, useNarrow } from "@/ui";

import { hivePage, workerPage } from "./frames";
import { Pane } from "./Pane";

type Which = "queen" | "hive" | "worker";
const ALL: readonly Which[] = ["queen", "hive", "worker"];
const LABEL: Record<Which, string> = { queen: "Queen", hive: "Hive", worker: "Worker" };
const COLUMNS = ["grid-cols-1", "grid-cols-1", "grid-cols-2", "grid-cols-3"];

export function Page() {
  const narrow = useNarrow();
  const [panes, setPanes] = useUrlState("panes", ALL.join("."));
  const open = ALL.filter((one) => panes.split(".").includes(one));
  const shown = narrow ? open.slice(0, 1) : open;
  return (
    <div className="flex h-full min-h-0 flex-col gap-3 p-4 sm:p-5">
      <PageHeader
        title="Side by side"
        note={narrow ? undefined : "each as it shows itself"}
        actions={
          narrow ? (
            <Segmented
              value={shown[0] ?? "queen"}
              onChange={setPanes}
              label="Which page"
              options={ALL.map((one) => ({ value: one, label: LABEL[one] }))}
            />
          ) : (
            <Toggles open={open} onChange={setPanes} />
          )
        }
      />
      <div className={`grid min-h-0 flex-1 gap-3 ${COLUMNS[shown.length] ?? "grid-cols-3"}`}>
        {shown.map((one) => PANES[one])}
      </div>
    </div>
  );
}

function Toggles({ open, onChange }: { open: readonly Which[]; onChange: (panes: string) => void }) {
  return (
    <div role="group" aria-label="Panes" className="flex gap-1">
      {ALL.map((one) => {
        const on = open.includes(one);
        const next = ALL.filter((other) => (other === one ? !on : open.includes(other)));
        return (
          <button
            key={one}
            type="button"
            aria-pressed={on}
            disabled={on && open.length === 1}
            className={`${buttonClass(on ? "secondary" : "ghost", "sm")} ${on ? "" : "line-through decoration-faint"}`}
            onClick={() => onChange(next.join("."))}
          >
            {LABEL[one]}
          </button>
        );
      })}
    </div>
  );
}

function QueenPane() {
  return <Pane title="Queen" shown={{ url: "/", why: null }} />;
}

function HivePane() {
  const hives = useTable("hives");
  const [chosen, setChosen] = useUrlState("hive");
  const rows = useMemo(() => [...hives.values()].sort(nearFirst), [hives]);
  const hive = rows.find((row) => row.hive_id === chosen) ?? rows[0];
  return (
    <Pane
      title="Hive"
      shown={hivePage(hive, location)}
      choice={
        <Choice
          label="Which hive"
          value={hive?.hive_id ?? ""}
          onChange={setChosen}
          options={rows.map((row) => ({ value: row.hive_id, label: row.hive_id }))}
        />
      }
      action={
        <Link
          to="/hives"
          search={(hive ? { hive: hive.hive_id } : { add: "token" }) as never}
          className={buttonClass()}
        >
          {hive ? `${hive.hive_id} in this console` : "Add a hive"}
        </Link>
      }
    />
  );
}

function WorkerPane() {
  const workers = useTable("workers");
  const [chosen, setChosen] = useUrlState("worker");
  const rows = useMemo(() => [...workers.values()].sort(readyFirst), [workers]);
  const worker = rows.find((row) => row.worker_id === chosen) ?? rows[0];
  return (
    <Pane
      foreign
      title="Worker"
      shown={workerPage(worker)}
      choice={
        <Choice
          label="Which worker"
          value={worker?.worker_id ?? ""}
          onChange={setChosen}
          options={rows.map((row) => ({ value: row.worker_id, label: `${row.model} on ${row.hive_id}` }))}
        />
      }
      action={
        <Link
          to="/workers"
          search={(worker ? { worker: worker.worker_id } : { start: "new" }) as never}
          className={buttonClass()}
        >
          {worker ? "This worker in the console" : "Start a worker"}
        </Link>
      }
    />
  );
}

const PANES: Record<Which, ReactNode> = {
  queen: <QueenPane key="queen" />,
  hive: <HivePane key="hive" />,
  worker: <WorkerPane key="worker" />,
};

function Choice(props: {
  label: string;
  value: string;
  onChange: (value: string) => void;
  options: { value: string; label: string }[];
}) {
  return props.options.length > 1 ? <Select {...props} className="max-w-56" /> : null;
}

function nearFirst(a: HiveRow, b: HiveRow): number {
  return Number(b.local) - Number(a.local) || a.hive_id.localeCompare(b.hive_id);
}

function readyFirst(a: WorkerRow, b: WorkerRow): number {
  const rank = (row: WorkerRow) => Number(workerPage(row).url !== null);
  return rank(b) - rank(a) || a.model.localeCompare(b.model) || a.worker_id.localeCompare(b.worker_id);
}
