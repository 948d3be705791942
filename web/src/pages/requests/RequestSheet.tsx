/** One request in a drawer: where it stands, and why it went where it went; `/requests?request=ID`. */
import { Link } from "@tanstack/react-router";

import { useSession } from "@/api";
import { WhySteps } from "@/pages/chat/view/WhySheet";
import type { RequestRow } from "@/state";
import { Button, buttonClass, Copyable, Empty, Facts, format, Sheet, StatusDot, Time, useNow } from "@/ui";
import { cancelRequest } from "./cancel";
import { doorOf, isOpen, tookS, waitedS } from "./rows";

export interface RequestSheetProps {
  jobId: string;
  row: RequestRow | undefined;
  onClose: () => void;
}

export function RequestSheet({ jobId, row, onClose }: RequestSheetProps) {
  const operator = useSession((session) => session.operator);
  return (
    <Sheet
      open
      wide
      onOpenChange={(open) => !open && onClose()}
      title={row ? row.model : jobId}
      description={row ? describe(row) : "A request of the past"}
      footer={
        row && operator && isOpen(row) ? (
          <>
            <LogLink row={row} />
            <Button variant="danger" onClick={() => void cancelRequest(row)}>
              Cancel the request
            </Button>
          </>
        ) : row ? (
          <LogLink row={row} />
        ) : undefined
      }
    >
      <div className="flex flex-col gap-6">
        {row ? (
          <About row={row} />
        ) : (
          <Empty
            title="It is not in the list any more"
            text="The last 200 that ended are. What the queen still knows of its way stands below."
          />
        )}
        <section className="flex flex-col gap-3">
          <h3 className="label">Its way</h3>
          {/* A change of state is a step more: asked anew by its key. */}
          <WhySteps key={`${row?.state ?? ""} ${row?.worker_id ?? ""}`} jobId={jobId} />
        </section>
      </div>
    </Sheet>
  );
}

function describe(row: RequestRow): string {
  if (row.state === "waiting")
    return row.position === null ? "Waits" : `Waits at place ${row.position} of the queue for this model`;
  if (row.state === "running") return `Is answered by ${row.worker_id ?? "a worker"}`;
  return { completed: "Was answered", failed: "Failed", cancelled: "Was cancelled" }[row.state];
}

function LogLink({ row }: { row: RequestRow }) {
  if (row.worker_id === null) return null;
  return (
    <Link
      to="/workers"
      search={{ worker: row.worker_id, tab: "log" } as never}
      className={buttonClass("ghost")}
    >
      Log of its worker
    </Link>
  );
}

function About({ row }: { row: RequestRow }) {
  const now = useNow();
  return (
    <Facts
      items={[
        ["State", <StatusDot key="s" state={row.state} />],
        row.state === "waiting" ? ["Its turn in", format.duration(row.eta_s)] : null,
        ["Waited", format.duration(waitedS(row, now))],
        ["Time", format.duration(tookS(row, now))],
        ["Came", <Time key="c" at={row.since} mode="clock" />],
        row.ended_at === null ? null : ["Ended", <Time key="e" at={row.ended_at} mode="clock" />],
        ["Client", format.text(row.client)],
        ["Priority", row.priority === null ? format.UNKNOWN : String(row.priority)],
        ["Door", doorOf(row.door) === null ? format.UNKNOWN : `${doorOf(row.door)} (${row.door ?? ""})`],
        row.worker_id === null ? null : ["Worker", `${row.worker_id} on ${row.hive_id ?? format.UNKNOWN}`],
        row.reason === null ? null : [isOpen(row) ? "Because" : "Outcome", row.reason],
        ["Id", <Copyable key="i" text={row.job_id} />],
      ]}
    />
  );
}
