/** Figures with a shape: progress of something under way, a meter of what is used, the facts of one thing. */
import type { ReactNode } from "react";

import { cn } from "./cn";
import { FILL, type Tone } from "./tones";

export interface ProgressProps {
  /** 0 to 1; null while nobody knows: the bar then travels. */
  value: number | null;
  label: string;
  tone?: Tone;
  className?: string;
}

export function Progress({ value, label, tone = "accent", className }: ProgressProps) {
  const share = value === null ? undefined : Math.min(1, Math.max(0, value));
  return (
    <div
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={share === undefined ? undefined : Math.round(share * 100)}
      className={cn("h-1.5 w-full overflow-hidden rounded-full bg-raised", className)}
    >
      {share === undefined ? (
        <div className={cn("h-full w-2/5 rounded-full animate-travel", FILL[tone])} />
      ) : (
        <div
          className={cn("h-full rounded-full transition-[width] duration-300", FILL[tone])}
          style={{ width: `${share * 100}%` }}
        />
      )}
    </div>
  );
}

export interface MeterProps {
  used: number | null | undefined;
  total: number | null | undefined;
  label: string;
  /** Words at the right: "11.8 of 24 GiB"; a meter alone says too little. */
  text?: ReactNode;
  /** The share from which it turns to warn and bad; false keeps the accent. */
  alarm?: readonly [number, number] | false;
  className?: string;
}

export function Meter({ used, total, label, text, alarm = [0.85, 0.95], className }: MeterProps) {
  const share = used === null || used === undefined || !total ? null : Math.min(1, used / total);
  const tone: Tone =
    share === null || !alarm ? "accent" : share >= alarm[1] ? "bad" : share >= alarm[0] ? "warn" : "accent";
  return (
    <div className={cn("flex min-w-0 items-center gap-2", className)}>
      <div
        role="meter"
        aria-label={label}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={share === null ? 0 : Math.round(share * 100)}
        aria-valuetext={share === null ? "unknown" : `${Math.round(share * 100)} percent`}
        className="h-1.5 min-w-10 flex-1 overflow-hidden rounded-full bg-raised"
      >
        {share === null ? null : (
          <div className={cn("h-full rounded-full", FILL[tone])} style={{ width: `${share * 100}%` }} />
        )}
      </div>
      {text === undefined ? null : <span className="whitespace-nowrap text-xs text-muted num">{text}</span>}
    </div>
  );
}

/** Names and values under each other: the facts of one thing. */
export function Facts({
  items,
  className,
}: {
  items: readonly (readonly [ReactNode, ReactNode] | null | false)[];
  className?: string;
}) {
  return (
    <dl className={cn("grid grid-cols-[minmax(7rem,auto)_minmax(0,1fr)] gap-x-4 gap-y-1.5", className)}>
      {items.map((item, at) =>
        item ? (
          <div key={at} className="contents">
            <dt className="text-xs leading-5 text-muted">{item[0]}</dt>
            <dd className="min-w-0 break-words num">{item[1]}</dd>
          </div>
        ) : null,
      )}
    </dl>
  );
}
