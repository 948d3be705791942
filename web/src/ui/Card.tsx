/** A sheet of the instrument panel: hairline border, an optional title with actions beside it. */
import { useId, type ReactNode } from "react";

import { cn } from "./cn";

export interface CardProps {
  title?: ReactNode;
  /** A quiet line beside the title. */
  note?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
  className?: string;
  /** False where the content brings its own edges (tables, charts). */
  padded?: boolean;
}

export function Card({ title, note, actions, children, className, padded = true }: CardProps) {
  const id = useId();
  return (
    <section
      aria-labelledby={title ? id : undefined}
      className={cn("flex min-w-0 flex-col rounded-lg border bg-surface", className)}
    >
      {title || actions ? (
        <header className="flex min-h-10 items-center gap-2 border-b px-3.5 py-1.5">
          <h2 id={id} className="text-sm font-semibold">
            {title}
          </h2>
          {note ? <span className="truncate text-xs text-faint num">{note}</span> : null}
          <div className="ml-auto flex items-center gap-1">{actions}</div>
        </header>
      ) : null}
      <div className={cn("min-h-0 min-w-0 flex-1", padded && "p-3.5")}>{children}</div>
    </section>
  );
}
