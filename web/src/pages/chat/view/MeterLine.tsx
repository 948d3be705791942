/**
 * The quiet line under an answer: how fast, how soon, how much, and who gave it and why.
 */
import { Route } from "lucide-react";
import { Fragment } from "react";

import { format } from "@/ui";

import type { Facts } from "../core/types";
import type { Run } from "../live/run";

/** The figures of an answer that is made now. */
export function LiveMeter({ run }: { run: Run }) {
  const { meter, facts } = run;
  const perS = meter.perS(performance.now());
  return (
    <Figures
      items={[
        [perS === null ? null : `${perS.toFixed(1)} tok/s`, "Tokens a second, over the last two seconds"],
        [
          meter.firstMs === null ? null : `first token ${seconds(meter.firstMs)}`,
          "From sending to the first token",
        ],
        [
          `${format.count(meter.tokens)} ${meter.tokens === 1 ? "token" : "tokens"}`,
          "Tokens of the answer so far",
        ],
        [place(facts), "The worker that answers"],
      ]}
    />
  );
}

export function MeterLine({ facts, onWhy }: { facts: Facts; onWhy: (() => void) | null }) {
  const cached = facts.cachedTokens ? `, ${format.count(facts.cachedTokens)} of them known already` : "";
  return (
    <Figures
      items={[
        [
          facts.tokensPerS === null ? null : `${facts.tokensPerS.toFixed(1)} tok/s`,
          "Tokens a second of this answer",
        ],
        [facts.firstMs === null ? null : `first token ${seconds(facts.firstMs)}`, firstTitle(facts)],
        [
          facts.completionTokens === null ? null : `${format.count(facts.completionTokens)} tokens`,
          facts.promptTokens === null
            ? "Tokens of the answer"
            : `Tokens of the answer; the prompt had ${format.count(facts.promptTokens)}${cached}`,
        ],
        [ENDS[facts.finish ?? ""] ?? null, "How the answer ended"],
      ]}
    >
      {place(facts) === null ? null : onWhy ? (
        <button
          type="button"
          onClick={onWhy}
          title="Why this worker"
          className="inline-flex min-w-0 items-center gap-1 rounded-sm underline decoration-line-strong decoration-dotted underline-offset-2 hover:text-fg"
        >
          <Route className="size-3 shrink-0" aria-hidden />
          <span className="truncate">{place(facts)}</span>
        </button>
      ) : (
        <span>{place(facts)}</span>
      )}
    </Figures>
  );
}

const ENDS: Record<string, string> = {
  length: "ended at its limit",
  stopped: "stopped",
  tool_calls: "asks for a tool",
};

function firstTitle(facts: Facts): string {
  const waited = facts.waitedMs === null ? "" : `; ${seconds(facts.waitedMs)} of it for a worker`;
  const read =
    facts.prefillPerS === null ? "" : `; the prompt was read at ${facts.prefillPerS.toFixed(0)} tok/s`;
  return `From sending to the first token${waited}${read}`;
}

function place(facts: Facts): string | null {
  if (!facts.workerId) return null;
  return facts.hiveId ? `${facts.workerId} on ${facts.hiveId}` : facts.workerId;
}

function Figures({
  items,
  children,
}: {
  items: readonly (readonly [string | null, string])[];
  children?: React.ReactNode;
}) {
  const shown = items.filter(([text]) => text !== null);
  return (
    <p className="num flex min-w-0 flex-wrap items-center gap-x-1.5 text-xs text-faint">
      {shown.map(([text, title], index) => (
        <Fragment key={title}>
          {index > 0 ? <Dot /> : null}
          <span title={title}>{text}</span>
        </Fragment>
      ))}
      {children ? (
        <>
          {shown.length > 0 ? <Dot /> : null}
          {children}
        </>
      ) : null}
    </p>
  );
}

function Dot() {
  return (
    <span aria-hidden className="text-line-strong">
      ·
    </span>
  );
}

function seconds(ms: number): string {
  return ms < 10_000
    ? `${(ms / 1000).toFixed(ms < 1_000 ? 2 : 1)} s`
    : format.duration(Math.round(ms / 1000));
}
