/** What has been done, what is under way, what comes: a check mark for each thing that is over. */
import { Check, X } from "lucide-react";
import type { ReactNode } from "react";

import { cn } from "@/ui";

export interface Step {
  state: "done" | "now" | "next" | "failed";
  title: ReactNode;
  note?: ReactNode;
}

const WORDS = { done: "done", now: "under way", next: "comes next", failed: "failed" };

export function Steps({ steps, label }: { steps: readonly Step[]; label: string }) {
  return (
    <ol aria-label={label} aria-live="polite" className="flex flex-col">
      {steps.map((step, at) => (
        <li key={at} className="flex gap-3">
          <span className="flex flex-col items-center">
            <Mark state={step.state} />
            {at < steps.length - 1 ? (
              <span
                className={cn("w-px flex-1", step.state === "done" ? "bg-ok" : "bg-line-strong")}
                aria-hidden
              />
            ) : null}
          </span>
          <span className={cn("min-w-0 pb-3", step.state === "next" && "text-faint")}>
            <span className={cn("block leading-5", step.state === "now" && "font-medium")}>
              {step.title}
              <span className="sr-only"> ({WORDS[step.state]})</span>
            </span>
            {step.note ? <span className="block text-xs text-muted">{step.note}</span> : null}
          </span>
        </li>
      ))}
    </ol>
  );
}

function Mark({ state }: { state: Step["state"] }) {
  const box = "grid size-5 shrink-0 place-items-center rounded-full border [&_svg]:size-3";
  switch (state) {
    case "done":
      return (
        <span className={cn(box, "border-ok bg-ok text-surface animate-rise")} aria-hidden>
          <Check strokeWidth={3} />
        </span>
      );
    case "failed":
      return (
        <span className={cn(box, "border-bad bg-bad text-surface")} aria-hidden>
          <X strokeWidth={3} />
        </span>
      );
    case "now":
      return (
        <span className={cn(box, "border-accent")} aria-hidden>
          <span className="size-2 rounded-full bg-accent animate-breathe" />
        </span>
      );
    default:
      return <span className={cn(box, "border-line-strong")} aria-hidden />;
  }
}
