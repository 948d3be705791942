/**
 * A live graph of one to six figures over the last ten minutes, on uPlot.
 *
 * The rule it keeps: React makes it and takes it away, nothing more. Each second the chart itself reads
 * the rings of the state stream and draws, and only while it is in sight. Gaps in what is known are gaps.
 */
import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

import { history, onTick, type Figure } from "@/state";
import { clockOf, cn } from "@/ui";

import { useDrawing } from "./canvas";
import { clock, columnsOf, describe, span } from "./live";
import { usePalette, type Palette } from "./palette";

export interface LiveSeries {
  figure: Figure;
  id: string;
  name: string;
  /** 1 to 6 (default: by its place). */
  color?: number;
}

export interface LiveChartProps {
  /** What the graph shows; also its text alternative. */
  label: string;
  series: readonly LiveSeries[];
  /** Words of a value: format.percent. */
  format: (value: number | null) => string;
  /** The top of the scale; without it the graph fits itself. */
  max?: number;
  /** The scale never gets smaller than this, so that idle noise looks idle. */
  atLeast?: number;
  /** Memory: the grid lies at powers of two, so that its words are round. */
  binary?: boolean;
  height?: number;
  className?: string;
}

/** From 1 MiB to 4 PiB in MiB. */
const POWERS = Array.from({ length: 32 }, (_, at) => 2 ** at);

const FONT = "11px Inter, system-ui, sans-serif";

/** Scale and words are asked for at each drawing: the memory of a colony grows with its hives. */
function options(
  props: () => LiveChartProps,
  palette: Palette,
  width: number,
  tip: HTMLElement,
): uPlot.Options {
  const { series, height = 150, binary } = props();
  const axis = { stroke: palette.faint, font: FONT, ticks: { show: false } };
  return {
    width,
    height,
    padding: [8, 18, 0, 0],
    legend: { show: false },
    cursor: {
      y: false,
      sync: { key: "live" },
      points: { size: 7 },
      drag: { x: false, y: false },
    },
    scales: {
      x: { time: true, range: (_, from, to) => span(from, to) },
      y: {
        range: (_, __, top) => {
          const { max, atLeast = 1 } = props();
          return [0, max ?? Math.max(atLeast, top * 1.08)];
        },
      },
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: 26,
        gap: 8,
        space: 64,
        values: (_, splits) => splits.map((at) => clock(at, splits)),
      },
      {
        ...axis,
        size: 58,
        space: 40,
        gap: 6,
        ...(binary ? { incrs: POWERS } : {}),
        grid: { stroke: palette.line, width: 1 },
        values: (_, values) => values.map((value) => props().format(value)),
      },
    ],
    series: [
      {},
      ...series.map((each, at) => {
        const stroke = palette.series[((each.color ?? at + 1) - 1) % palette.series.length] ?? palette.accent;
        return {
          label: each.name,
          stroke,
          width: 1.5,
          points: { show: false },
          spanGaps: false,
          ...(series.length === 1 ? { fill: `color-mix(in srgb, ${stroke} 11%, transparent)` } : {}),
        };
      }),
    ],
    hooks: { setCursor: [(plot) => showTip(plot, tip, props())] },
  };
}

/** The values under the pointer, beside it; written into the page by hand since it follows the mouse. */
function showTip(plot: uPlot, tip: HTMLElement, { series, format }: LiveChartProps): void {
  const { idx, left } = plot.cursor;
  // Charts that only follow another's cursor show the line, and no words over each other.
  const isHere = plot.over.matches(":hover");
  if (idx === null || idx === undefined || left === undefined || left < 0 || !isHere) {
    tip.hidden = true;
    return;
  }
  const at = plot.data[0]?.[idx];
  const lines = series.map(
    (each, index) =>
      `${series.length > 1 ? `${each.name} ` : ""}${format(plot.data[index + 1]?.[idx] ?? null)}`,
  );
  tip.replaceChildren(
    ...[at === undefined ? "" : clockOf(at), ...lines].map((text, index) => {
      const line = document.createElement("div");
      line.textContent = text;
      if (index === 0) line.style.color = "var(--faint)";
      return line;
    }),
  );
  tip.hidden = false;
  const room = plot.over.clientWidth - left;
  const offset = plot.over.offsetLeft;
  tip.style.left = room > 130 ? `${offset + left + 10}px` : "auto";
  tip.style.right = room > 130 ? "auto" : `${room + 10}px`;
}

export function LiveChart(props: LiveChartProps) {
  const { label, series, height = 150, className } = props;
  const box = useRef<HTMLDivElement>(null);
  const tip = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const latest = useRef(props);
  const palette = usePalette();
  const shape = series.map((each) => `${each.figure} ${each.id} ${each.name} ${each.color ?? ""}`).join("\n");

  const feed = () => {
    const { series: now, format } = latest.current;
    const rings = now.map((each) => history(each.figure, each.id));
    chart.current?.setData(columnsOf(rings));
    box.current?.setAttribute(
      "aria-label",
      `${latest.current.label}: ${describe(
        now.map((each) => each.name),
        rings,
        format,
      )}`,
    );
  };

  useEffect(() => {
    latest.current = props;
  });
  useEffect(() => {
    const target = box.current;
    if (!target || !tip.current) return undefined;
    const made = new uPlot(
      options(() => latest.current, palette, target.clientWidth, tip.current),
      [[]],
      target,
    );
    chart.current = made;
    feed();
    const resize = new ResizeObserver(() => made.setSize({ width: target.clientWidth, height }));
    resize.observe(target);
    return () => {
      resize.disconnect();
      made.destroy();
      chart.current = null;
    };
    // Other props are read when they are needed; these change what the chart is made of.
  }, [palette, shape, height]);
  useDrawing(box, feed, onTick);

  return (
    <div className={cn("relative min-w-0", className)} style={{ height }}>
      <div ref={box} role="img" aria-label={label} className="h-full min-w-0 overflow-hidden" />
      <div
        ref={tip}
        hidden
        className="pointer-events-none absolute top-2 z-[1] whitespace-nowrap rounded-md border border-line-strong bg-overlay px-2 py-1 text-xs shadow-pop num"
        aria-hidden
      />
    </div>
  );
}
