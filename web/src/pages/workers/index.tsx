/**
 * The workers: the processes that run models, what they do now, and everything that is done to them.
 *
 * The filters, the open worker (`worker`, `tab`) and the start form (`start`, `hive`) live in the URL, so
 * that other pages link here: `/workers?worker=ID&tab=log`, `/workers?start=MODEL&hive=ID`.
 */
import { Boxes, Plus } from "lucide-react";
import { useNavigate } from "@tanstack/react-router";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";

import { useSession } from "@/api";
import { useCommands, useShortcut, useUrlState } from "@/app";
import { getRow, useKnown, useTable } from "@/state";
import { Button, Card, Empty, format, Loading, PageBody, PageHeader, SearchInput, Select, Table } from "@/ui";
import { BulkBar } from "./BulkBar";
import { columnsOf } from "./columns";
import { rowsOf, STATES, type Row } from "./rows";
import { useStart } from "./start";
import { NO_WISH, StartSheet } from "./StartSheet";
import type { Wish } from "./wish";
import { WorkerSheet } from "./WorkerSheet";

const NEW = "new";

export function Page() {
  const rows = useRows();
  const [filter, setFilter] = useUrlState("q");
  const [state, setState] = useUrlState("state");
  const [hive, setHive] = useUrlState("hive");
  const [open, setOpen] = useUrlState("worker", "", { push: true });
  const [tab, setTab] = useUrlState("tab");
  const [start, setStart] = useUrlState("start", "", { push: true });
  const [like, setLike] = useState<Wish | null>(null);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const operator = useSession((session) => session.operator);
  const starting = useStart((found) => found.current !== null && found.current.phase !== "ready");

  const onOpen = useCallback((row: Row) => setOpen(row.id), [setOpen]);
  const onLogs = useOpenLog();
  const onDuplicate = useCallback(
    (row: Row) => {
      setLike(wishLike(row));
      setStart(NEW);
    },
    [setStart],
  );
  const onChoose = useCallback((id: string, yes: boolean) => {
    setChosen((old) => {
      const next = new Set(old);
      if (yes) next.add(id);
      else next.delete(id);
      return next;
    });
  }, []);
  const onStart = useCallback(() => {
    setLike(null);
    setStart(NEW);
  }, [setStart]);
  useShortcut("n", "Start a worker", onStart, { enabled: operator });
  useCommands(
    useMemo(
      () => (operator ? [{ id: "worker-start", title: "Start a worker", keys: "n", run: onStart }] : []),
      [operator, onStart],
    ),
  );

  const columns = useMemo(
    () => columnsOf({ chosen, onChoose, onLogs, onDuplicate }),
    [chosen, onChoose, onLogs, onDuplicate],
  );
  const shown = useMemo(
    () => rows.filter((row) => (!state || row.status === state) && (!hive || row.worker.hive_id === hive)),
    [rows, state, hive],
  );
  const picked = rows.filter((row) => chosen.has(row.id));
  const first = like ?? { ...NO_WISH, model: start === NEW ? "" : start, hive };
  return (
    <PageBody>
      <PageHeader
        title="Workers"
        note={noteOf(rows)}
        actions={
          <>
            <SearchInput value={filter} onChange={setFilter} label="Filter workers" />
            <Filter
              label="State"
              value={state}
              onChange={setState}
              values={STATES.filter((one) => rows.some((row) => row.status === one))}
            />
            <Filter
              label="Hive"
              value={hive}
              onChange={setHive}
              values={[...new Set(rows.map((row) => row.worker.hive_id))].sort()}
            />
            <Button
              variant="primary"
              icon={<Plus />}
              onClick={onStart}
              disabled={!operator}
              title={operator ? undefined : "Only operators start workers"}
            >
              {starting ? "Starting …" : "Start a worker"}
            </Button>
          </>
        }
      />
      <Card padded={false}>
        <Table
          label="Workers"
          rows={shown}
          columns={columns}
          rowId={idOf}
          onOpen={onOpen}
          selected={open || null}
          filter={filter}
          defaultSort={{ id: "model", desc: false }}
          rowClass={staleOf}
          empty={<NoWorkers filtered={rows.length > 0} onStart={onStart} operator={operator} />}
        />
      </Card>
      {picked.length > 0 ? (
        <BulkBar rows={picked} operator={operator} onNone={() => setChosen(new Set())} />
      ) : null}
      {open ? (
        <WorkerSheet
          key={open}
          workerId={open}
          row={rows.find((row) => row.id === open)}
          tab={tab}
          onTab={setTab}
          onClose={() => setOpen("")}
          onDuplicate={onDuplicate}
        />
      ) : null}
      {start ? (
        <StartSheet
          key={`${first.model} ${first.hive}`}
          open
          first={first}
          onClose={() => setStart("")}
          onLogs={(id) => onLogs({ id })}
        />
      ) : null}
    </PageBody>
  );
}

/** In a new list each second, since one may sort by figures; the rows in it are the same ones. */
function useRows(): readonly Row[] {
  const workers = useTable("workers");
  const loads = useTable("loads");
  const hives = useTable("hives");
  const before = useRef<ReadonlyMap<string, Row>>(new Map());
  const rows = useMemo(() => rowsOf(workers, loads, hives, before.current), [workers, loads, hives]);
  useEffect(() => {
    before.current = rows;
  }, [rows]);
  return useMemo(() => [...rows.values()], [rows]);
}

/** Opens a worker's log; from the start form too, which it closes. */
function useOpenLog(): (row: { id: string }) => void {
  const navigate = useNavigate();
  return useCallback(
    (row: { id: string }) =>
      void navigate({ to: "/workers", search: { worker: row.id, tab: "log" } as never }),
    [navigate],
  );
}

const idOf = (row: Row) => row.id;
const staleOf = (row: Row) => (row.stale ? "stale" : undefined);

function noteOf(rows: readonly Row[]): string {
  if (rows.length === 0) return "";
  const serving = rows.filter((row) => row.status === "ready" || row.status === "busy").length;
  const told = rows
    .map((row) => getRow("loads", row.id)?.tokens_per_s ?? null)
    .filter((rate) => rate !== null);
  const speed = told.length > 0 ? told.reduce((sum, rate) => sum + rate, 0) : null;
  const all = format.plural(rows.length, "worker");
  return `${format.count(serving)} of ${all} ${rows.length === 1 ? "serves" : "serve"} · ${format.tokensPerS(speed)}`;
}

/** Another one like it: the same model and settings, its own place left open. */
function wishLike(row: Row): Wish {
  const { worker } = row;
  return {
    ...NO_WISH,
    model: worker.model,
    hive: worker.hive_id,
    engine: worker.engine,
    context: worker.context_length === null ? "" : String(worker.context_length),
    slots: worker.slots_total === null ? "" : String(worker.slots_total),
  };
}

function Filter({
  label,
  value,
  onChange,
  values,
}: {
  label: string;
  value: string;
  onChange: (value: string) => void;
  values: readonly string[];
}) {
  const all = value === "" || values.includes(value) ? values : [...values, value];
  return (
    <Select
      label={label}
      className="w-auto max-w-40 max-sm:max-w-[6.75rem]"
      value={value}
      onChange={onChange}
      options={[{ value: "", label: `${label}: all` }, ...all.map((one) => ({ value: one, label: one }))]}
    />
  );
}

function NoWorkers({
  filtered,
  onStart,
  operator,
}: {
  filtered: boolean;
  onStart: () => void;
  operator: boolean;
}) {
  const known = useKnown();
  if (filtered)
    return (
      <Empty icon={<Boxes />} title="No worker is like that" text="Take a filter away to see the others." />
    );
  if (!known) return <Loading text="Fetching the colony's state …" />;
  return (
    <Empty
      icon={<Boxes />}
      title="No workers run"
      text="A worker is one model in one process. The first request for a model starts one by itself; or start one now, and choose where."
      action={
        operator ? (
          <Button variant="primary" icon={<Plus />} onClick={onStart}>
            Start a worker
          </Button>
        ) : null
      }
    />
  );
}
