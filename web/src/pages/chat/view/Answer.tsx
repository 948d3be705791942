/**
 * A model's answer, while it is made and after: the thought, the words, what it cost, and what can
 * be done with it. One component for both times, so that nothing is drawn anew when it ends.
 */
import { FastForward, RefreshCw, Trash2 } from "lucide-react";
import { memo, useLayoutEffect, useSyncExternalStore } from "react";

import { confirm } from "@/app";
import { Button, CopyButton, IconButton, StatusDot } from "@/ui";

import { withoutThought } from "../core/asking";
import type { Place } from "../core/tree";
import type { Turn } from "../core/types";
import type { Run } from "../live/run";
import { again, goOn, remove } from "../live/talk";
import { Markdown } from "../markdown/Markdown";
import { Branches } from "./Branches";
import { LiveMeter, MeterLine } from "./MeterLine";
import { Thought, Tools } from "./Thought";
import { TroubleCard } from "./TroubleCard";
import { Waiting } from "./Waiting";

export interface AnswerProps {
  pane: number;
  turn: Turn;
  place: Place;
  run: Run | null;
  /** Whether it is the last one that is shown: its tools need no pointing at. */
  last: boolean;
  onWhy: ((jobId: string) => void) | null;
  /** Told with each change while it is made, before it is painted. */
  onGrown: () => void;
}

const NOTHING = () => () => undefined;

export const Answer = memo(function Answer(props: AnswerProps) {
  const { pane, turn, place, run, last, onWhy, onGrown } = props;
  useSyncExternalStore(run?.subscribe ?? NOTHING, run?.snapshot ?? (() => 0));
  const live = run !== null && !run.ended;
  // Without dependencies: it renders for what came, and once more for its end.
  useLayoutEffect(() => {
    if (run !== null) onGrown();
  });
  const shown = run ? run.turn() : turn;
  const facts = shown.facts ?? null;
  const apart = withoutThought(shown.text);
  const thought = (shown.thought ?? "") + apart.thought;
  const begun = shown.text !== "" || thought !== "" || (shown.toolCalls?.length ?? 0) > 0;
  const model = facts?.model ?? "";
  return (
    <article
      className="turn group flex min-w-0 flex-col gap-2"
      aria-label={`Answer of ${model}`}
      aria-busy={live}
    >
      <h2 className="flex items-center gap-2 text-xs font-medium text-muted">
        {live ? <StatusDot state="running" tone="accent" pulse label="" /> : null}
        <span className="truncate">{model}</span>
      </h2>
      {thought === "" ? null : <Thought name={turn.id} text={thought} growing={live && apart.text === ""} />}
      {apart.text === "" ? null : <Markdown name={turn.id} text={apart.text} growing={live} />}
      {shown.toolCalls ? <Tools calls={shown.toolCalls} /> : null}
      {live && run && (!begun || run.meter.queue) ? (
        <Waiting meter={run.meter} model={model} hiveId={facts?.hiveId ?? null} />
      ) : null}
      {facts?.moves.map((move, index) => (
        <p key={index} className="text-xs text-warn">
          {move.reason}{" "}
          {move.workerId
            ? `${move.workerId} on ${move.hiveId} went on with the answer.`
            : "It went on from there."}
        </p>
      ))}
      {facts?.trouble && !live ? <TroubleCard trouble={facts.trouble} pane={pane} turn={shown} /> : null}
      {live && run ? (
        begun ? (
          <LiveMeter run={run} />
        ) : null
      ) : facts ? (
        <Done pane={pane} turn={shown} place={place} last={last} onWhy={onWhy} />
      ) : null}
    </article>
  );
});

function Done({ pane, turn, place, last, onWhy }: Omit<AnswerProps, "run" | "onGrown">) {
  const { facts } = turn;
  if (!facts) return null;
  const { jobId, trouble } = facts;
  // `null`: the page was closed while it was written.
  const open = facts.finish === null || facts.finish === "stopped" || facts.finish === "length";
  return (
    <div className="flex flex-col gap-1">
      {facts.workerId || facts.tokensPerS !== null || facts.finish === "stopped" ? (
        <MeterLine facts={facts} onWhy={onWhy && jobId ? () => onWhy(jobId) : null} />
      ) : null}
      <div className={`turn-tools -ml-1.5 flex flex-wrap items-center ${last ? "turn-tools-on" : ""}`}>
        <Branches pane={pane} turn={turn.id} place={place} what="answer" />
        <CopyButton text={turn.text} label="Copy the answer" />
        <IconButton label="Try again" icon={<RefreshCw />} size="sm" onClick={() => again(pane, turn)} />
        <IconButton label="Delete" icon={<Trash2 />} size="sm" onClick={() => void askRemove(pane, turn)} />
        {open && !trouble && turn.text !== "" ? (
          <Button size="sm" variant="ghost" icon={<FastForward />} onClick={() => goOn(pane, turn)}>
            Continue
          </Button>
        ) : null}
      </div>
    </div>
  );
}

async function askRemove(pane: number, turn: Turn): Promise<void> {
  const sure = await confirm({
    title: "Delete this answer?",
    text: "It goes with all that follows it. It is kept nowhere else.",
    action: "Delete",
    danger: true,
  });
  if (sure) remove(pane, turn.id);
}
