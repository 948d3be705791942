/** Why an answer came from where it came: the steps of `GET /v1/jobs/{id}/why`, in a drawer. */
import { useQuery } from "@tanstack/react-query";

import { api, asProblem, call } from "@/api";
import { Badge, cn, Loading, Notice, Sheet, type Tone } from "@/ui";

interface Candidate {
  worker_id: string;
  hive_id: string;
  taken: boolean;
  slots_in_use: number;
  slots_total: number | null;
  score: number | null;
  queued: number | null;
  gpu_util_pct: number | null;
  note: string | null;
  route: string | null;
}

interface Step {
  at: number;
  kind: "waiting" | "placed" | "routed" | "lost" | "ended";
  message: string;
  decision: {
    attempt: number;
    policy: string;
    waited_s: number;
    reason: string;
    score_means: string;
    serving: number;
    candidates: Candidate[];
  } | null;
}

interface Why {
  job_id: string;
  model: string;
  started_at: number;
  ended_at: number | null;
  outcome: string | null;
  steps: Step[];
}

/** A running request gets a step every few seconds at most. */
const RUNNING_MS = 2_000;

const TONES: Record<Step["kind"], Tone> = {
  waiting: "warn",
  placed: "info",
  routed: "ok",
  lost: "bad",
  ended: "neutral",
};

export function WhySheet({ jobId, onClose }: { jobId: string | null; onClose: () => void }) {
  return (
    <Sheet
      open={jobId !== null}
      onOpenChange={(open) => (open ? undefined : onClose())}
      title="Why this worker"
      description="Where the request went, step by step, and what was weighed."
    >
      {jobId === null ? null : <WhySteps jobId={jobId} />}
    </Sheet>
  );
}

/** The steps of a request; asked for again while it runs. */
export function WhySteps({ jobId }: { jobId: string }) {
  const query = useQuery({
    queryKey: ["why", jobId],
    queryFn: async () =>
      (await call(
        api.GET("/v1/jobs/{job_id}/why", { params: { path: { job_id: jobId } } } as never),
      )) as unknown as Why,
    retry: false,
    refetchInterval: (found) => (found.state.data?.ended_at === null ? RUNNING_MS : false),
  });
  if (query.error) {
    const problem = asProblem(query.error);
    return <Notice title={problem.message}>{problem.remedy}</Notice>;
  }
  if (!query.data) return <Loading text="Asking the queen …" />;
  const why = query.data;
  return (
    <div className="flex flex-col gap-4 text-sm">
      <p className="text-xs text-muted">
        Request <span className="font-mono">{why.job_id}</span> for {why.model}
        {why.outcome ? `: ${why.outcome}` : ", still running"}
      </p>
      <ol className="flex flex-col gap-4 border-l pl-4">
        {why.steps.map((step, index) => (
          <li key={index} className="relative">
            <span
              className={cn("absolute -left-[21px] top-1.5 size-2 rounded-full", DOTS[TONES[step.kind]])}
              aria-hidden
            />
            <p className="flex flex-wrap items-baseline gap-2">
              <Badge tone={TONES[step.kind]}>{step.kind}</Badge>
              <span className="num text-xs text-faint">+{(step.at - why.started_at).toFixed(2)} s</span>
            </p>
            <p className="mt-1">{step.message}</p>
            {step.decision ? <Candidates decision={step.decision} /> : null}
          </li>
        ))}
      </ol>
    </div>
  );
}

const DOTS: Record<Tone, string> = {
  neutral: "bg-faint",
  accent: "bg-accent",
  ok: "bg-ok",
  warn: "bg-warn",
  bad: "bg-bad",
  info: "bg-info",
};

const takenFirst = (a: Candidate, b: Candidate) => Number(b.taken) - Number(a.taken);

function Candidates({ decision }: { decision: NonNullable<Step["decision"]> }) {
  return (
    <div className="mt-2 overflow-x-auto">
      <table className="num w-full text-xs">
        <caption className="pb-1 text-left text-faint">
          {decision.policy}; score: {decision.score_means}
        </caption>
        <thead className="text-left text-faint">
          <tr className="[&>th]:py-1 [&>th]:pr-3 [&>th]:font-medium">
            <th scope="col">Worker</th>
            <th scope="col">Slots</th>
            <th scope="col">Score</th>
            <th scope="col">Way</th>
            <th scope="col">Note</th>
          </tr>
        </thead>
        <tbody>
          {decision.candidates.toSorted(takenFirst).map((row) => (
            <tr
              key={row.worker_id}
              className={cn("border-t [&>td]:py-1 [&>td]:pr-3", row.taken && "font-medium")}
            >
              <td>
                {row.worker_id} <span className="text-faint">on {row.hive_id}</span>
                {row.taken ? <span className="text-ok"> · taken</span> : null}
              </td>
              <td>
                {row.slots_in_use} of {row.slots_total ?? "–"}
              </td>
              <td>{row.score === null ? "–" : row.score.toFixed(2)}</td>
              <td>{row.route ?? "–"}</td>
              <td>{row.note ?? ""}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
