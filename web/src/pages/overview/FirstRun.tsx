/** A colony without a model: one press fetches the starter model, starts it, and opens the chat. */
import { Link, useNavigate } from "@tanstack/react-router";
import { Check, MessageSquareText, Plus } from "lucide-react";
import { useEffect, useRef, useState } from "react";

import { runJob, type JobEvent, useSession } from "@/api";
import { toast } from "@/app";
import { getTable, useTable } from "@/state";
import { Button, buttonClass, Card, cn, CodeBlock, format, Progress } from "@/ui";

/** The alias that every hive knows for its small first model. */
const STARTER = "starter";

type Step = "fetch" | "start";

interface Doing {
  step: Step;
  says: string;
}

/** Fetches and starts the starter model on a hive; resolves when it answers. */
function useStarter(hiveId: string | undefined) {
  const [doing, setDoing] = useState<Doing | null>(null);
  const gone = useRef<AbortController | null>(null);
  useEffect(() => () => gone.current?.abort(), []);
  const start = async () => {
    const left = (gone.current = new AbortController());
    const step = async (name: Step, operation: string, says: string) => {
      setDoing({ step: name, says });
      const hear = (event: JobEvent) => setDoing({ step: name, says: event.message });
      await runJob({ operation, model: STARTER, ...(hiveId ? { hive_id: hiveId } : {}) }, hear, left.signal);
    };
    try {
      await step("fetch", "model_download", "Asking for the starter model …");
      await step("start", "worker_spawn", "Starting a worker …");
      return !left.signal.aborted;
    } catch (error) {
      if (!left.signal.aborted) toast.problem(error);
      return false;
    } finally {
      setDoing(null);
    }
  };
  return { doing, start };
}

function StepLine({ done, now, children }: { done: boolean; now: boolean; children: string }) {
  return (
    <li
      className={cn("flex items-center gap-2.5", now ? "text-fg" : "text-faint")}
      aria-current={now ? "step" : undefined}
    >
      <span
        className={cn(
          "grid size-4 place-items-center rounded-full border",
          done && "border-ok bg-ok-soft text-ok",
          now && "border-accent",
        )}
        aria-hidden
      >
        {done ? (
          <Check className="size-3" />
        ) : now ? (
          <span className="size-1.5 rounded-full bg-accent animate-breathe" />
        ) : null}
      </span>
      {children}
      {done ? <span className="sr-only"> (done)</span> : null}
    </li>
  );
}

function Progressing({ doing, hiveId }: { doing: Doing; hiveId: string }) {
  const downloads = [...useTable("downloads").values()];
  const download = downloads.find((row) => row.hive_id === hiveId) ?? downloads[0];
  const fetching = doing.step === "fetch";
  const share = fetching && download?.total ? download.bytes / download.total : null;
  return (
    <div className="mt-5 flex max-w-md flex-col gap-3">
      <ol className="flex flex-col gap-2">
        <StepLine done={!fetching} now={fetching}>
          Fetch the starter model
        </StepLine>
        <StepLine done={false} now={!fetching}>
          Start a worker
        </StepLine>
        <StepLine done={false} now={false}>
          Open the chat
        </StepLine>
      </ol>
      <Progress value={share} label={fetching ? "Fetching the starter model" : "Starting a worker"} />
      <p className="truncate text-xs text-muted num">
        {fetching && download?.total
          ? `${format.bytes(download.bytes)} of ${format.bytes(download.total)} · ${format.rate(download.rate_bytes_s)} · ${format.duration(download.eta_s)} left`
          : doing.says}
      </p>
    </div>
  );
}

export function FirstRun({ onBusy }: { onBusy: (busy: boolean) => void }) {
  const hives = useTable("hives");
  const models = useTable("models");
  const navigate = useNavigate();
  const hive = [...hives.values()].find((each) => each.local) ?? [...hives.values()][0];
  const { doing, start } = useStarter(hive?.hive_id);
  const operator = useSession((session) => session.operator);
  if (!hive) return <NoHive />;
  const begin = async () => {
    onBusy(true);
    const done = await start();
    onBusy(false);
    if (!done) return;
    const worker = [...getTable("workers").values()].find((row) => row.serving && row.task === "generate");
    void navigate({ to: "/chat", search: { model: worker?.model ?? STARTER } as never });
  };
  return (
    <Card padded={false}>
      <div className="relative overflow-hidden rounded-lg px-5 py-8 sm:px-9 sm:py-11">
        <CombDrawing />
        <h2 className="text-2xl font-semibold tracking-tight">
          {models.size === 0 ? "No model yet" : "No model runs"}
        </h2>
        <p className="mt-1.5 max-w-xl text-base text-muted">
          {models.size === 0
            ? `The colony stands: ${hive.hive_id} is ready. The starter model is small and runs on any machine, so it is the quickest way to a first answer.`
            : `There ${models.size === 1 ? "is a model" : "are models"} on disk, and none is loaded. A request starts what it needs by itself; or start one now.`}
        </p>
        <p role="status" className="sr-only">
          {doing === null ? "" : doing.step === "fetch" ? "Fetching the starter model" : "Starting a worker"}
        </p>
        {doing ? (
          <Progressing doing={doing} hiveId={hive.hive_id} />
        ) : (
          <div className="mt-5 flex flex-wrap gap-2">
            <Button
              variant="primary"
              icon={<MessageSquareText />}
              onClick={begin}
              disabled={!operator}
              title={operator ? undefined : "Only operators start workers"}
              className="h-9 px-4"
            >
              Start the starter model and chat
            </Button>
            <Link to="/models" search={{ view: "find" } as never} className={cn(buttonClass(), "h-9 px-4")}>
              Look for another model
            </Link>
          </div>
        )}
      </div>
    </Card>
  );
}

/** The comb that waits to be filled; only for the eye. */
function CombDrawing() {
  const cells: [number, number, string?][] = [
    [0, 0],
    [1, 0],
    [2, 0, "var(--accent-soft)"],
    [-0.5, 1],
    [0.5, 1, "var(--accent)"],
    [1.5, 1, "var(--accent-soft)"],
    [2.5, 1],
    [0, 2, "var(--accent-soft)"],
    [1, 2],
    [2, 2],
  ];
  return (
    <svg
      viewBox="-60 -42 300 190"
      className="pointer-events-none absolute -right-6 top-1/2 hidden h-[112%] -translate-y-1/2 lg:block"
      aria-hidden
    >
      {cells.map(([column, row, fill]) => (
        <path
          key={`${column} ${row}`}
          d="M0-31 26.8-15.5v31L0 31l-26.8-15.5v-31Z"
          transform={`translate(${column * 60} ${row * 52})`}
          fill={fill ?? "none"}
          stroke={fill === "var(--accent)" ? "none" : "var(--line-strong)"}
          strokeLinejoin="round"
        />
      ))}
    </svg>
  );
}

function NoHive() {
  return (
    <Card padded={false}>
      <div className="relative overflow-hidden rounded-lg px-5 py-8 sm:px-9 sm:py-11">
        <CombDrawing />
        <h2 className="text-2xl font-semibold tracking-tight">No hive yet</h2>
        <p className="mt-1.5 max-w-xl text-base text-muted">
          The queen is here and waits. A hive is a machine that runs models: start one beside the queen, or
          add another machine as one.
        </p>
        <div className="mt-5 max-w-md">
          <CodeBlock code="rbee hive start" label="Command" />
        </div>
        <Link
          to="/hives"
          search={{ add: "token" } as never}
          className={cn(buttonClass("primary"), "mt-4 h-9 px-4")}
        >
          <Plus aria-hidden />
          Add a hive
        </Link>
      </div>
    </Card>
  );
}
