/** One worker in a drawer: its facts and graphs, or its log; it opens by `/workers?worker=ID[&tab=log]`. */
import { Link } from "@tanstack/react-router";
import { useQuery } from "@tanstack/react-query";
import { MessageSquareText } from "lucide-react";
import type { ReactNode } from "react";

import { runJob, useSession } from "@/api";
import { LiveChart } from "@/charts";
import { useKnown, useRow } from "@/state";
import {
  buttonClass,
  Button,
  Copyable,
  Empty,
  Facts,
  format,
  Loading,
  Notice,
  Sheet,
  StatusDot,
  Tabs,
  Time,
} from "@/ui";
import { restartWorkers, stopWorkers, useBusy, whyNot } from "./actions";
import { LogViewer } from "./log/LogViewer";
import { ROUTES, type Row } from "./rows";

export interface WorkerSheetProps {
  workerId: string;
  row: Row | undefined;
  tab: string;
  onTab: (tab: string) => void;
  onClose: () => void;
  onDuplicate: (row: Row) => void;
}

export function WorkerSheet({ workerId, row, tab, onTab, onClose, onDuplicate }: WorkerSheetProps) {
  const known = useKnown();
  return (
    <Sheet
      open
      wide
      onOpenChange={(open) => !open && onClose()}
      title={row ? row.worker.model : workerId}
      description={row ? `${workerId} on ${row.worker.hive_id}` : known ? "This worker is gone" : undefined}
      footer={row ? <Actions row={row} onDuplicate={onDuplicate} /> : undefined}
    >
      {row ? (
        <Tabs
          value={tab || "facts"}
          onChange={(next) => onTab(next === "facts" ? "" : next)}
          label="About this worker"
          className="h-full"
          tabs={[
            { value: "facts", label: "Details", panel: <Details row={row} /> },
            { value: "log", label: "Log", panel: <Log row={row} /> },
          ]}
        />
      ) : !known ? (
        <Loading text="Fetching the colony's state …" />
      ) : (
        <Empty
          title="This worker is gone"
          text="It was stopped, or its hive left. Its log stays with its hive for a while: rbee worker logs there."
          action={<Button onClick={onClose}>Back to the list</Button>}
        />
      )}
    </Sheet>
  );
}

function Log({ row }: { row: Row }) {
  const operator = useSession((session) => session.operator);
  const why = whyNot(row, operator, "logs");
  if (why !== null)
    return (
      <Notice tone="warn" title="The log cannot be read now">
        {why}.
      </Notice>
    );
  return (
    <div className="h-[calc(100dvh-13.5rem)]">
      <LogViewer hiveId={row.worker.hive_id} workerId={row.id} />
    </div>
  );
}

function Actions({ row, onDuplicate }: { row: Row; onDuplicate: (row: Row) => void }) {
  const operator = useSession((session) => session.operator);
  const doing = useBusy(row.id);
  const why = (action: "stop" | "restart" | "logs") => doing ?? whyNot(row, operator, action);
  return (
    <>
      <Link to="/chat" search={{ model: row.worker.model } as never} className={buttonClass("ghost")}>
        <MessageSquareText aria-hidden /> Chat
      </Link>
      <Button disabled={!operator} onClick={() => onDuplicate(row)}>
        Start another
      </Button>
      <Button
        disabled={why("restart") !== null}
        title={why("restart") ?? undefined}
        onClick={() => void restartWorkers([row])}
      >
        Restart
      </Button>
      {row.worker.status === "draining" ? (
        <Button variant="danger" disabled={!operator} onClick={() => void stopWorkers([row], true)}>
          Stop now
        </Button>
      ) : (
        <Button
          variant="danger"
          disabled={why("stop") !== null}
          title={why("stop") ?? undefined}
          busy={doing && `${doing} …`}
          onClick={() => void stopWorkers([row])}
        >
          Stop
        </Button>
      )}
    </>
  );
}

interface Protection {
  name: string;
  in_force: boolean;
  reason: string | null;
}

/** What only its hive knows of it: why it lies as it lies, and what guards it. */
function useMore(row: Row) {
  const operator = useSession((session) => session.operator);
  const { data } = useQuery({
    queryKey: ["worker", row.id, row.worker.generation],
    enabled: operator && !row.stale,
    retry: false,
    queryFn: async ({ signal }) => {
      const asked = { operation: "worker_process_get", worker_id: row.id, hive_id: row.worker.hive_id };
      const { last } = await runJob(asked, undefined, signal);
      return last?.data as { fit: string | null; isolation: Protection[] | null } | undefined;
    },
  });
  return data;
}

function Chart({ title, children }: { title: string; children: ReactNode }) {
  return (
    <figure className="m-0 min-w-0">
      <figcaption className="mb-1 text-xs text-muted">{title}</figcaption>
      {children}
    </figure>
  );
}

function Details({ row }: { row: Row }) {
  const { worker } = row;
  const load = useRow("loads", row.id);
  const more = useMore(row);
  const route = worker.route ? ROUTES[worker.route] : undefined;
  return (
    <div className="flex flex-col gap-5">
      {worker.reason ? <Notice tone={row.status === "error" ? "bad" : "warn"} title={worker.reason} /> : null}
      <div className="grid gap-4 sm:grid-cols-2">
        <Chart title="Tokens a second">
          <LiveChart
            label="Tokens a second"
            series={[{ figure: "worker.tokens_per_s", id: row.id, name: "tokens/s" }]}
            format={format.tokensPerS}
            height={120}
          />
        </Chart>
        <Chart title="Slots in use">
          <LiveChart
            label="Slots in use"
            series={[{ figure: "worker.slots_busy", id: row.id, name: "slots" }]}
            format={format.count}
            {...(worker.slots_total === null ? {} : { max: worker.slots_total })}
            height={120}
          />
        </Chart>
      </div>
      <Facts
        items={[
          ["Status", <StatusDot key="s" state={row.status} />],
          ["Hive, device", `${worker.hive_id}, ${worker.device}`],
          ["Engine", worker.engine],
          ["For", worker.task],
          [
            "Context",
            worker.context_length === null ? format.UNKNOWN : `${format.count(worker.context_length)} tokens`,
          ],
          [
            "Memory, GPU",
            `${format.memoryMb(load?.vram_mb)}${worker.total_vram_mb ? ` of ${format.memoryMb(worker.total_vram_mb)}` : ""}`,
          ],
          ["Memory, RAM", format.memoryMb(load?.rss_mb)],
          ["CPU", format.percent(load?.cpu_pct)],
          ["Requests", format.count(load?.requests_total)],
          ["Up since", <Time key="u" at={worker.started_at} mode="since" />],
          ["Load took", format.duration(worker.load_s)],
          ["Idle for", load?.idle_since ? <Time key="i" at={load.idle_since} mode="since" /> : "in use"],
          ["Route", route ? `${route.label}: ${route.about}` : "The queen has no way to it now"],
          ["Started", worker.manual ? "by hand: never unloaded because it is idle" : "by the queen"],
          [
            "Process",
            `generation ${worker.generation}, pid ${worker.pid ?? format.UNKNOWN}, port ${worker.port}`,
          ],
          worker.restarts > 0 ? ["Deaths", `${worker.restarts}, started again each time`] : null,
          ["Id", <Copyable key="c" text={row.id} />],
          more?.fit ? ["Placed so", more.fit] : null,
        ]}
      />
      {more?.isolation && more.isolation.length > 0 ? (
        <section className="flex flex-col gap-2">
          <h3 className="label">Protections</h3>
          <Facts
            items={more.isolation.map(
              (one) =>
                [
                  one.name.replaceAll("_", " "),
                  <span key="p" className={one.in_force ? undefined : "text-muted"}>
                    {one.in_force ? "in force" : "not in force"}
                    {one.reason ? `: ${one.reason}` : ""}
                  </span>,
                ] as const,
            )}
          />
        </section>
      ) : null}
    </div>
  );
}
