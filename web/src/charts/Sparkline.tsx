/** The last minutes of one figure as a line in a row or a tile; drawn on canvas, once a second, only in sight. */
import { useEffect, useRef } from "react";

import { history, latest, onTick, type Figure } from "@/state";
import { cn } from "@/ui";

import { prepare, useDrawing } from "./canvas";
import { usePalette } from "./palette";

const SPAN_S_MIN = 15;

export interface SparklineProps {
  figure: Figure;
  id: string;
  /** What it shows, for those who do not see it; the newest value is said with it. */
  label: string;
  /** The top of the scale; without it the largest value in sight. */
  max?: number;
  /** How many seconds back (default 120). */
  span_s?: number;
  /** 1 to 6: the series' colour (default 1, honey). */
  color?: number;
  width?: number;
  height?: number;
  /** Takes the width there is instead of `width`. */
  fill?: boolean;
  className?: string;
}

export function Sparkline({
  figure,
  id,
  label,
  max,
  span_s = 120,
  color = 1,
  width = 96,
  height = 24,
  fill,
  className,
}: SparklineProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const box = useRef<HTMLSpanElement>(null);
  const palette = usePalette();
  const draw = () => {
    if (!canvas.current || !box.current) return;
    const space = fill ? box.current.clientWidth : width;
    const context = prepare(canvas.current, space, height);
    if (!context) return;
    const { t, v, length } = history(figure, id);
    const end = t[length - 1] ?? 0;
    const stroke = palette.series[color - 1] ?? palette.accent;
    // A line that just began is not a dot at the edge: the span grows with what is known.
    const spanned = Math.min(span_s, Math.max(SPAN_S_MIN, end - (t[0] ?? end)));
    const x = (at: number) => space - ((end - (t[at] ?? 0)) / spanned) * space;
    let from = length - 1;
    while (from > 0 && end - (t[from - 1] ?? 0) <= span_s) from -= 1;
    const top = max ?? largest(v, from, length);
    const y = (value: number) => height - 1.5 - (Math.min(value, top) / top) * (height - 3);
    strokeRuns(context, v, from, length, x, y, height, stroke);
  };
  useDrawing(box, draw, onTick);
  useEffect(draw);
  const now = latest(figure, id);
  return (
    <span
      ref={box}
      role="img"
      aria-label={`${label}: ${Number.isNaN(now) ? "unknown" : Math.round(now * 10) / 10}`}
      className={cn("inline-block overflow-hidden align-middle", fill && "block w-full", className)}
      style={fill ? { height } : { width, height }}
    >
      <canvas ref={canvas} className="block" aria-hidden />
    </span>
  );
}

/** The largest known value in sight; what lies further back would press it flat. */
function largest(v: Float32Array, from: number, to: number): number {
  let most = 1e-9;
  for (let at = Math.max(0, from); at < to; at += 1) most = Math.max(most, v[at] || 0);
  return most;
}

/** Draws the known runs of a line, each with a faint area below; unknown values leave a gap. */
function strokeRuns(
  context: CanvasRenderingContext2D,
  v: Float32Array,
  from: number,
  to: number,
  x: (at: number) => number,
  y: (value: number) => number,
  floor: number,
  stroke: string,
): void {
  context.lineWidth = 1.5;
  context.lineJoin = "round";
  context.strokeStyle = stroke;
  context.fillStyle = stroke;
  let at = from;
  while (at < to) {
    while (at < to && Number.isNaN(v[at])) at += 1;
    const start = at;
    const line = new Path2D();
    while (at < to && !Number.isNaN(v[at])) {
      if (at === start) line.moveTo(x(at), y(v[at] ?? 0));
      else line.lineTo(x(at), y(v[at] ?? 0));
      at += 1;
    }
    if (at === start) break;
    context.stroke(line);
    line.lineTo(x(at - 1), floor);
    line.lineTo(x(start), floor);
    context.globalAlpha = 0.12;
    context.fill(line);
    context.globalAlpha = 1;
  }
}
