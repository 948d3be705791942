/** What a page says when there is nothing, when it waits, and when something failed: always the next step. */
import { TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";

import { cn } from "./cn";
import { inWords } from "./Words";

export interface EmptyProps {
  icon?: ReactNode;
  title: ReactNode;
  /** Why there is nothing, and what to do. */
  text?: ReactNode;
  /** The next step as a button. */
  action?: ReactNode;
  className?: string;
}

export function Empty({ icon, title, text, action, className }: EmptyProps) {
  return (
    <div className={cn("flex flex-col items-center justify-center gap-1 px-6 py-12 text-center", className)}>
      {icon ? <div className="mb-2 text-faint [&_svg]:size-7 [&_svg]:stroke-[1.5]">{icon}</div> : null}
      <p className="text-base font-medium">{title}</p>
      {text ? <div className="max-w-md text-muted">{inWords(text)}</div> : null}
      {action ? <div className="mt-3 flex flex-wrap justify-center gap-2">{action}</div> : null}
    </div>
  );
}

/** Waiting, with words: a bare spinner tells nobody what it waits for. */
export function Loading({ text, className }: { text: string; className?: string }) {
  return (
    <div
      role="status"
      className={cn("flex items-center justify-center gap-2 px-6 py-12 text-muted", className)}
    >
      <span className="size-2 rounded-full bg-accent animate-breathe" aria-hidden />
      {text}
    </div>
  );
}

export interface NoticeProps {
  tone?: "warn" | "bad" | "info";
  title: ReactNode;
  /** The remedy, or more about it. */
  children?: ReactNode;
  action?: ReactNode;
  className?: string;
}

/** A notice inside a page: what is wrong, what helps, and a button that does it. */
export function Notice({ tone = "bad", title, children, action, className }: NoticeProps) {
  const look = {
    warn: "bg-warn-soft text-warn",
    bad: "bg-bad-soft text-bad",
    info: "bg-info-soft text-info",
  }[tone];
  return (
    <div
      role={tone === "bad" ? "alert" : "status"}
      className={cn("flex items-start gap-2.5 rounded-lg px-3 py-2.5", look, className)}
    >
      <TriangleAlert className="mt-0.5 size-4 shrink-0" aria-hidden />
      <div className="min-w-0 flex-1">
        <p className="font-medium">{inWords(title)}</p>
        {children ? <div className="text-fg">{inWords(children)}</div> : null}
      </div>
      {action}
    </div>
  );
}
