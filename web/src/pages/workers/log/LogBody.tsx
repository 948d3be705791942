/**
 * The lines themselves: only those in sight are in the page, so a hundred thousand open at once.
 *
 * Every line has the same height, so that where a line stands is a multiplication. At its end the view
 * stays at the end; whoever scrolls up is left where they are.
 */
import { useEffect, useLayoutEffect, useRef, useState } from "react";

import { cn } from "@/ui";
import { Marked } from "./Marked";
import type { Level, LogLines } from "./lines";

const LINE_PX = 18;
const OVERSCAN = 20;
const LONGEST_SHOWN = 4_000; // characters; a base64 blob in a log must not make a page of that width

const TONE: Record<Level, string> = {
  error: "text-bad bg-bad-soft [--faint:var(--muted)]",
  warn: "text-warn",
  mark: "text-accent-text border-t border-line",
  debug: "text-faint",
  plain: "text-fg",
};

export interface LogBodyProps {
  lines: LogLines;
  /** The numbers of the lines that a filter left; null: all. */
  shown: readonly number[] | null;
  words: readonly string[];
  version: number;
  following: boolean;
  onFollowing: (following: boolean) => void;
  label: string;
}

export function LogBody({ lines, shown, words, version, following, onFollowing, label }: LogBodyProps) {
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 600 });
  const total = shown?.length ?? lines.length;

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setView((old) => ({ ...old, height: element.clientHeight })));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  useLayoutEffect(() => {
    const element = box.current;
    if (element && following) element.scrollTop = element.scrollHeight;
  }, [version, total, following, view.height]);

  const first = Math.max(0, Math.floor(view.top / LINE_PX) - OVERSCAN);
  const last = Math.min(total, Math.ceil((view.top + view.height) / LINE_PX) + OVERSCAN);
  const visible = Array.from({ length: Math.max(0, last - first) }, (_, at) => first + at);
  return (
    <div
      ref={box}
      role="log"
      aria-label={label}
      aria-live="off"
      // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls is reached by keyboard
      tabIndex={0}
      className="min-h-0 flex-1 overflow-auto rounded-md border bg-bg font-mono text-2xs leading-[18px]"
      onScroll={(event) => {
        const element = event.currentTarget;
        setView({ top: element.scrollTop, height: element.clientHeight });
        const atEnd = element.scrollHeight - element.scrollTop - element.clientHeight < LINE_PX * 1.5;
        if (atEnd !== following) onFollowing(atEnd);
      }}
    >
      <div
        className="relative min-w-full"
        style={{
          height: total * LINE_PX,
          width: `${Math.min(lines.longest, LONGEST_SHOWN) + 9}ch`,
        }}
      >
        {visible.map((position) => {
          const at = shown?.[position] ?? position;
          const level = lines.level(at);
          return (
            <div
              key={position}
              className={cn("absolute inset-x-0 flex whitespace-pre", TONE[level])}
              style={{ top: position * LINE_PX, height: LINE_PX }}
            >
              <span className="w-[7ch] shrink-0 select-none pr-2 text-right text-faint" aria-hidden>
                {at + lines.dropped + 1}
              </span>
              <span>
                <Marked text={lines.at(at).slice(0, LONGEST_SHOWN)} words={words} />
              </span>
            </div>
          );
        })}
      </div>
    </div>
  );
}
