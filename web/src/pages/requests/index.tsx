/**
 * What waits and what runs, of every client and door: place, expected turn, worker, why, and an end for it.
 *
 * The filters and the open request live in the URL: `/requests?show=waiting&q=llama`, `/requests?request=ID`.
 */
import { ListOrdered } from "lucide-react";
import { useCallback, useMemo } from "react";

import { useSession } from "@/api";
import { useUrlState } from "@/app";
import { LiveChart } from "@/charts";
import { serverNow, useKnown, useTable, useTick, type RequestRow } from "@/state";
import {
  Card,
  CodeBlock,
  Empty,
  format,
  Loading,
  PageBody,
  PageHeader,
  SearchInput,
  Segmented,
  Select,
  Table,
} from "@/ui";
import { columnsOf } from "./columns";
import { RequestSheet } from "./RequestSheet";
import { matches, SHOWS, summaryOf, type Shows } from "./rows";

const LABELS: Record<Shows, string> = {
  open: "Open",
  waiting: "Waiting",
  running: "Running",
  ended: "Ended",
  all: "All",
};
const SERIES = [
  { figure: "colony.running", id: "queen", name: "running", color: 1 },
  { figure: "colony.waiting", id: "queen", name: "waiting", color: 2 },
] as const;

export function Page() {
  const table = useTable("requests");
  const rows = useMemo(() => [...table.values()], [table]);
  const [filter, setFilter] = useUrlState("q");
  const [show, setShow] = useUrlState("show", "open");
  const [model, setModel] = useUrlState("model");
  const [client, setClient] = useUrlState("client");
  const [open, setOpen] = useUrlState("request", "", { push: true });
  const operator = useSession((session) => session.operator);
  const shows = isShows(show) ? show : "open";

  const columns = useMemo(() => columnsOf(operator), [operator]);
  const shown = useMemo(
    () =>
      rows.filter(
        (row) => matches(row, shows) && (!model || row.model === model) && (!client || row.client === client),
      ),
    [rows, shows, model, client],
  );
  const onOpen = useCallback((row: RequestRow) => setOpen(row.job_id), [setOpen]);
  return (
    <PageBody>
      <PageHeader
        title="Requests"
        note={<Summary rows={rows} />}
        actions={
          <>
            <SearchInput value={filter} onChange={setFilter} label="Filter requests" />
            <Choice label="Model" value={model} onChange={setModel} rows={rows} of={(row) => row.model} />
            {operator ? (
              <Choice
                label="Client"
                value={client}
                onChange={setClient}
                rows={rows}
                of={(row) => row.client}
              />
            ) : null}
            <Segmented
              label="Which requests"
              value={shows}
              onChange={setShow}
              options={SHOWS.map((value) => ({ value, label: LABELS[value] }))}
            />
          </>
        }
      />
      <Traffic />
      <Card padded={false}>
        <Table
          label="Requests"
          rows={shown}
          columns={columns}
          rowId={idOf}
          onOpen={onOpen}
          selected={open || null}
          filter={filter}
          defaultSort={{ id: "turn", desc: false }}
          empty={
            <Nothing
              show={shows}
              total={rows.length}
              filtered={!["open", "waiting"].includes(shows) || !!filter || !!model || !!client}
              onAll={() => setShow("all")}
            />
          }
        />
      </Card>
      {open ? (
        <RequestSheet key={open} jobId={open} row={table.get(open)} onClose={() => setOpen("")} />
      ) : null}
    </PageBody>
  );
}

const idOf = (row: RequestRow) => row.job_id;

function isShows(text: string): text is Shows {
  return (SHOWS as readonly string[]).includes(text);
}

function Summary({ rows }: { rows: readonly RequestRow[] }) {
  useTick();
  return <>{summaryOf(rows, serverNow(), format.duration)}</>;
}

/** The last ten minutes at a glance, with a legend. */
function Traffic() {
  return (
    <Card
      title="Running and waiting"
      padded={false}
      actions={
        <ul className="flex gap-4 text-2xs text-muted">
          {SERIES.map((one) => (
            <li key={one.name} className="flex items-center gap-1.5">
              <span
                className="h-0.5 w-3 rounded-full"
                style={{ background: `var(--series-${one.color})` }}
                aria-hidden
              />
              {one.name}
            </li>
          ))}
        </ul>
      }
    >
      <LiveChart
        label="Running and waiting, the last ten minutes"
        className="m-2"
        series={SERIES}
        format={format.count}
        atLeast={4}
        height={110}
      />
    </Card>
  );
}

function Choice({
  label,
  value,
  onChange,
  rows,
  of,
}: {
  label: string;
  value: string;
  onChange: (value: string) => void;
  rows: readonly RequestRow[];
  of: (row: RequestRow) => string | null;
}) {
  const values = new Set(rows.map(of).filter((one): one is string => one !== null));
  if (value) values.add(value);
  if (values.size < 2 && !value) return null;
  return (
    <Select
      label={label}
      className="w-auto max-w-40"
      value={value}
      onChange={onChange}
      options={[
        { value: "", label: `${label}: all` },
        ...[...values].sort().map((one) => ({ value: one, label: one })),
      ]}
    />
  );
}

function Nothing({
  show,
  total,
  filtered,
  onAll,
}: {
  show: Shows;
  total: number;
  filtered: boolean;
  onAll: () => void;
}) {
  const known = useKnown();
  const models = useTable("models");
  if (!known) return <Loading text="Fetching the colony's state …" />;
  if (show === "waiting" && total > 0 && !filtered)
    return <Empty icon={<ListOrdered />} title="Nothing waits" text="Every request has a worker at once." />;
  if (filtered && total > 0)
    return (
      <Empty
        icon={<ListOrdered />}
        title="No request is like that"
        text="Take a filter away to see the others."
      />
    );
  const model = [...models.values()].find((row) => row.loaded)?.model_id ?? "starter";
  return (
    <Empty
      icon={<ListOrdered />}
      title={total > 0 ? "Nothing waits, nothing runs" : "Nobody has asked yet"}
      text={
        total > 0
          ? "All requests were answered. Ask something:"
          : "Every request shows here, by whichever door it comes. Ask something:"
      }
      action={
        <div className="flex w-full max-w-xl flex-col items-center gap-3 text-left">
          <CodeBlock label="A request by curl" wrap code={curlOf(model)} />
          {total > 0 ? (
            <button type="button" onClick={onAll} className="text-xs text-muted underline hover:text-fg">
              Show the {format.plural(total, "request")} that ended
            </button>
          ) : null}
        </div>
      }
    />
  );
}

function curlOf(model: string): string {
  return `curl ${window.location.origin}/v1/chat/completions -H "Content-Type: application/json" -d '{"model": "${model}", "messages": [{"role": "user", "content": "Say hi"}]}'`;
}
