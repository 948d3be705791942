/**
 * The comb: each device a cell, filled with honey as far as it works; the cells of one hive stand together.
 *
 * The rule it keeps: 800 cells cost one canvas and no React, since `read` is asked once a second. It is a
 * list to the keyboard and to screen readers: arrows walk the cells, Enter opens, each cell says itself.
 */
import {
  useCallback,
  useEffect,
  useId,
  useMemo,
  useRef,
  useState,
  type KeyboardEvent,
  type PointerEvent,
} from "react";

import { onTick } from "@/state";
import { cn } from "@/ui";

import { prepare, useDrawing } from "./canvas";
import { layoutComb, neighbour, placeAt, type Comb } from "./comb";
import { drawComb } from "./drawComb";
import { usePalette } from "./palette";
import { isLight, ramp } from "./scale";

export interface HeatCell {
  id: string;
  /** 0 to 1; null is unknown: an empty outline. */
  value: number | null;
  /** Words inside the cell where it is large enough: "63". */
  text?: string;
  /** Too hot, broken: an outline in the colour of alarm. */
  alarm?: boolean;
}

export interface HeatGroup {
  id: string;
  label: string;
  /** Not heard of for three beats: greyed. */
  stale?: boolean;
  cells: readonly HeatCell[];
}

export interface HeatMapProps {
  /** The accessible name, with a summary in words. */
  label: string;
  /** The values now; asked once a second and after each change of `read`. Keep it stable (useCallback). */
  read: () => readonly HeatGroup[];
  /** What a cell says on hover and focus: a title and names with values. */
  describe: (
    group: HeatGroup,
    cell: HeatCell,
  ) => { title: string; lines: readonly (readonly [string, string])[] };
  onOpen?: (group: HeatGroup, cell: HeatCell) => void;
  heightMax?: number;
  className?: string;
}

const EMPTY: Comb = { radius: 0, width: 0, height: 0, places: [], labels: [] };

/** The last groups read, and the comb that fits to their shape and the width there is. */
function useComb(read: () => readonly HeatGroup[], heightMax: number) {
  const box = useRef<HTMLDivElement>(null);
  const groups = useRef<readonly HeatGroup[]>([]);
  const [width, setWidth] = useState(0);
  const [shape, setShape] = useState("");
  const look = useCallback(() => {
    groups.current = read();
    const now = groups.current.map((group) => group.cells.length).join(",");
    setShape((old) => (old === now ? old : now));
  }, [read]);
  useEffect(() => {
    look();
    const target = box.current;
    if (!target) return undefined;
    const resize = new ResizeObserver(() => setWidth(target.clientWidth));
    resize.observe(target);
    return () => resize.disconnect();
  }, [look]);
  const comb = useMemo(() => {
    const counts = shape === "" ? [] : shape.split(",").map(Number);
    return width === 0 ? EMPTY : layoutComb(counts, width, heightMax);
  }, [shape, width, heightMax]);
  return { box, groups, comb, look };
}

export function HeatMap({ label, read, describe, onOpen, heightMax = 420, className }: HeatMapProps) {
  const { box, groups, comb, look } = useComb(read, heightMax);
  const canvas = useRef<HTMLCanvasElement>(null);
  const palette = usePalette();
  const colors = useMemo(() => ramp(palette.heat), [palette]);
  const lights = useMemo(() => colors.map(isLight), [colors]);
  const [active, setActive] = useState<{ at: number; by: "pointer" | "keys" } | null>(null);
  const id = useId();

  const draw = () => {
    look();
    const context = canvas.current ? prepare(canvas.current, comb.width, comb.height) : null;
    if (context)
      drawComb(context, comb, groups.current, { palette, colors, lights, active: active?.at ?? -1 });
  };
  useDrawing(box, draw, onTick);
  useEffect(draw);

  const found = (at: number) => {
    const place = comb.places[at];
    const group = place && groups.current[place.group];
    const cell = group?.cells[place?.cell ?? -1];
    return place && group && cell ? { place, group, cell } : null;
  };
  const open = (at: number) => {
    const hit = found(at);
    if (hit) onOpen?.(hit.group, hit.cell);
  };
  const point = (event: Pick<PointerEvent, "clientX" | "clientY">) => {
    const edge = canvas.current?.getBoundingClientRect();
    return edge ? placeAt(comb, event.clientX - edge.left, event.clientY - edge.top) : -1;
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const at = active?.at ?? 0;
    const moves: Record<string, number> = { Home: 0, End: comb.places.length - 1 };
    if (event.key === "Enter" || event.key === " ") open(at);
    else if (event.key === "Escape") setActive(null);
    else if (event.key.startsWith("Arrow"))
      setActive({ at: active ? neighbour(comb, at, event.key as "ArrowLeft") : 0, by: "keys" });
    else if (event.key in moves) setActive({ at: moves[event.key] ?? 0, by: "keys" });
    else return;
    event.preventDefault();
  };

  // The values of the cell are those of this moment: the tip follows each second by the parent's renders.
  const hit = active ? found(active.at) : null;
  const words = hit ? describe(hit.group, hit.cell) : null;
  return (
    <div ref={box} className={cn("relative min-w-0", className)}>
      <div
        role="listbox"
        tabIndex={0}
        aria-label={label}
        aria-activedescendant={hit ? `${id}-cell` : undefined}
        onKeyDown={onKeyDown}
        onFocus={(event) =>
          event.currentTarget.matches(":focus-visible") && setActive((old) => old ?? { at: 0, by: "keys" })
        }
        onBlur={() => setActive(null)}
        onPointerMove={(event) => {
          const at = point(event);
          setActive((old) => (at < 0 ? null : old?.at === at ? old : { at, by: "pointer" }));
        }}
        onPointerLeave={() => setActive((old) => (old?.by === "pointer" ? null : old))}
        onClick={(event) => {
          // A finger points at nothing before it presses.
          const at = point(event);
          if (at >= 0) open(at);
        }}
        className={cn("rounded-md focus-visible:outline-offset-4", hit && onOpen && "cursor-pointer")}
        style={{ height: comb.height }}
      >
        <canvas ref={canvas} className="block" aria-hidden />
        {hit && words && active ? (
          <div
            id={`${id}-cell`}
            role="option"
            aria-selected
            aria-posinset={active.at + 1}
            aria-setsize={comb.places.length}
            className="sr-only"
          >
            {[words.title, ...words.lines.map(([name, value]) => `${name} ${value}`)].join(", ")}
          </div>
        ) : null}
      </div>
      {hit && words ? (
        <Tip x={hit.place.x} y={hit.place.y} radius={comb.radius} width={comb.width} {...words} />
      ) : null}
    </div>
  );
}

interface TipProps {
  x: number;
  y: number;
  radius: number;
  width: number;
  title: string;
  lines: readonly (readonly [string, string])[];
}

const TIP_PX = 210;

function Tip({ x, y, radius, width, title, lines }: TipProps) {
  const left = Math.min(Math.max(0, x - TIP_PX / 2), Math.max(0, width - TIP_PX));
  return (
    <div
      aria-hidden
      className="pointer-events-none absolute z-[3] rounded-md border border-line-strong bg-overlay px-2.5 py-1.5 text-xs shadow-pop"
      style={{ left, top: y + radius + 6, width: TIP_PX }}
    >
      <p className="truncate font-medium">{title}</p>
      <dl className="mt-0.5 grid grid-cols-[auto_1fr] gap-x-3">
        {lines.map(([name, value]) => (
          <div key={name} className="contents">
            <dt className="text-faint">{name}</dt>
            <dd className="truncate text-right num">{value}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}
