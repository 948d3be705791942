/** Small marks of state: a badge with a word, and a dot that never stands for a state alone. */
import type { ReactNode } from "react";

import { cn } from "./cn";
import { FILL, SOFT, toneOf, type Tone } from "./tones";

export function Badge({
  tone = "neutral",
  children,
  className,
  title,
}: {
  tone?: Tone;
  children: ReactNode;
  className?: string;
  title?: string;
}) {
  return (
    <span
      title={title}
      className={cn(
        "inline-flex h-5 items-center gap-1 whitespace-nowrap rounded-sm px-1.5 text-2xs font-medium num",
        SOFT[tone],
        className,
      )}
    >
      {children}
    </span>
  );
}

export interface StatusDotProps {
  /** The state's word; its tone is looked up unless `tone` is given. */
  state: string;
  tone?: Tone;
  /** Breathes while something is under way. */
  pulse?: boolean;
  /** The word beside the dot (default: the state); null hides it and leaves it to the screen reader. */
  label?: ReactNode;
  className?: string;
}

export function StatusDot({ state, tone = toneOf(state), pulse, label, className }: StatusDotProps) {
  return (
    <span className={cn("inline-flex items-center gap-1.5 whitespace-nowrap", className)}>
      <span
        className={cn(
          "size-2 shrink-0 rounded-full",
          FILL[tone],
          (pulse ?? tone === "info") && "animate-breathe",
        )}
        aria-hidden
      />
      {label === null ? <span className="sr-only">{state}</span> : (label ?? state)}
    </span>
  );
}
