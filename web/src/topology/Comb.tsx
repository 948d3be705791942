/**
 * The picture of a large colony: a honeycomb of hives around the queen, each filled as far as it works.
 *
 * One cell is in the tab order; the arrow keys go to its neighbours, Enter opens.
 */
import { memo, useId, useRef, useState, type KeyboardEvent } from "react";

import { format } from "@/ui";

import { hexagon, neighbour, type Cell, type CombLayout } from "./comb";
import { RIM } from "./HoneyHex";
import { flowOf, queenRate, type Health, type HiveSpot, type Picture } from "./model";

const ROOT3 = Math.sqrt(3);
/** From these radii on a cell holds a name, and its figures. */
const NAME_FROM = 27;
const FIGURE_FROM = 36;
const DOTS_MAX = 6;
/** Width of a letter, as a share of its size; half a pixel too much is better than a name over the rim. */
const CHAR_SHARE = 0.59;
/** From this radius on names are in larger type. */
const LARGE_FROM = 54;
const GLOW = [0, 1.25, 1.5, 2] as const;

export interface CombProps {
  picture: Picture;
  layout: CombLayout;
  onOpen: (id: string) => void;
  /** The hive under the pointer or the focus. */
  onPoint: (hiveId: string | null) => void;
}

export function Comb({ picture, layout, onOpen, onPoint }: CombProps) {
  const clip = useId();
  const cells = useRef<SVGSVGElement>(null);
  const [active, setActive] = useState(0);
  const { radius } = layout;
  const onKeyDown = (event: KeyboardEvent, at: number) => {
    const hive = picture.hives[at];
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      if (hive) onOpen(hive.id);
      return;
    }
    const to = event.key.startsWith("Arrow") ? neighbour(layout.cells, at, event.key) : -1;
    if (to < 0) return;
    event.preventDefault();
    setActive(to);
    cells.current?.querySelector<SVGGElement>(`[data-cell="${to}"]`)?.focus();
  };
  return (
    <svg
      ref={cells}
      width={layout.width}
      height={layout.height}
      role="group"
      aria-label="Hives around the queen; arrow keys move, Enter opens"
      className="block max-w-full"
    >
      <clipPath id={clip}>
        <path d={hexagon(radius)} />
      </clipPath>
      <QueenCell picture={picture} at={layout.queen} radius={radius} />
      {picture.hives.map((hive, at) => {
        const cell = layout.cells[at];
        if (!cell) return null;
        return (
          <g
            key={hive.id}
            data-cell={at}
            role="button"
            tabIndex={at === Math.min(active, picture.hives.length - 1) ? 0 : -1}
            transform={`translate(${cell.x} ${cell.y})`}
            className="group cursor-pointer outline-none"
            opacity={hive.stale ? 0.55 : 1}
            onClick={() => onOpen(hive.id)}
            onKeyDown={(event) => onKeyDown(event, at)}
            onFocus={() => {
              setActive(at);
              onPoint(hive.id);
            }}
            onBlur={() => onPoint(null)}
            onPointerEnter={() => onPoint(hive.id)}
            onPointerLeave={() => onPoint(null)}
          >
            <title>{titleOf(hive)}</title>
            <HiveCell
              id={hive.id}
              health={hive.health}
              honey={hive.honey === null ? null : Math.round(hive.honey * HONEY_STEPS) / HONEY_STEPS}
              flow={hive.stale ? 0 : flowOf(hive.tokensPerS)}
              figure={figureOf(hive)}
              dots={dotsOf(hive)}
              radius={radius}
              clip={clip}
            />
          </g>
        );
      })}
    </svg>
  );
}

interface CellProps {
  id: string;
  health: Health;
  honey: number | null;
  flow: 0 | 1 | 2 | 3;
  figure: string;
  /** A letter for each worker: b(usy) or the first of its health. */
  dots: string;
  radius: number;
  clip: string;
}

/** Plain values, coarse enough that most cells stay as they are from one second to the next. */
const HiveCell = memo(function HiveCell({ id, health, honey, flow, figure, dots, radius, clip }: CellProps) {
  const level = honey ?? 0;
  return (
    <>
      <path d={hexagon(radius)} fill="var(--surface)" />
      <rect
        clipPath={`url(#${clip})`}
        x={-radius}
        width={2 * radius}
        y={radius - 2 * radius * level}
        height={2 * radius * level}
        fill="var(--accent)"
        opacity={radius >= NAME_FROM ? 0.3 : 0.5}
      />
      <path
        d={hexagon(radius - 1)}
        fill="none"
        stroke={health === "ok" && flow > 0 ? "var(--accent)" : RIM[health]}
        strokeWidth={health === "ok" ? Math.max(1, GLOW[flow]) : 2}
        strokeDasharray={honey === null ? "3 3" : undefined}
      />
      <path
        d={hexagon(radius - 3)}
        fill="none"
        stroke="var(--fg)"
        strokeWidth={2}
        className="opacity-0 group-hover:opacity-60 group-focus-visible:opacity-100"
      />
      {radius >= NAME_FROM ? (
        <CellText id={id} figure={figure} bad={health === "bad"} radius={radius} />
      ) : null}
      {radius >= NAME_FROM ? <Dots dots={dots} radius={radius} /> : null}
    </>
  );
});

const HONEY_STEPS = 50;

/** What it is called, and what seldom changes: the figures stand in the cell and in the line below. */
function titleOf(hive: HiveSpot): string {
  const trouble = hive.trouble === null ? "" : ` · ${hive.trouble}`;
  const devices = hive.gpus > 0 ? format.plural(hive.gpus, "GPU") : "CPU only";
  return `${hive.id}${trouble} · ${devices} · ${format.plural(hive.workers.length, "worker")}`;
}

function figureOf(hive: HiveSpot): string {
  if (hive.state === "down") return "down";
  if (hive.tokensPerS) return `${format.short(Math.round(hive.tokensPerS))} t/s`;
  return hive.honey === null ? format.UNKNOWN : `${Math.round(hive.honey * 100)} %`;
}

function dotsOf(hive: HiveSpot): string {
  return hive.workers
    .slice(0, DOTS_MAX)
    .map((worker) => (worker.busy > 0 ? "b" : worker.health === "bad" ? "x" : worker.health.charAt(0)))
    .join("");
}

function CellText({ id, figure, bad, radius }: { id: string; figure: string; bad: boolean; radius: number }) {
  const size = radius >= LARGE_FROM ? 11.5 : 10;
  const chars = Math.floor((ROOT3 * radius - 8) / (size * CHAR_SHARE));
  const two = radius >= FIGURE_FROM;
  return (
    <g textAnchor="middle" className="num">
      <text y={two ? -3 : 3} fontSize={size} fontWeight={600} fill="var(--fg)">
        {cut(id, chars)}
      </text>
      {two ? (
        <text y={12} fontSize={10.5} fill={bad ? "var(--bad)" : "var(--muted)"}>
          {figure}
        </text>
      ) : null}
    </g>
  );
}

/** Its end tells names of a rack apart, so the middle goes. */
function cut(name: string, chars: number): string {
  if (name.length <= chars) return name;
  const tail = Math.max(2, Math.floor(chars / 3));
  return `${name.slice(0, Math.max(1, chars - tail - 1))}…${name.slice(-tail)}`;
}

const DOT_FILL: Record<string, string> = {
  b: "var(--accent)",
  o: "var(--ok)",
  w: "var(--warn)",
  x: "var(--bad)",
  n: "var(--info)",
};

function Dots({ dots, radius }: { dots: string; radius: number }) {
  const step = 6.5;
  return [...dots].map((dot, at) => (
    <circle
      key={at}
      cx={(at - (dots.length - 1) / 2) * step}
      cy={radius * 0.58}
      r={2.25}
      fill={DOT_FILL[dot]}
      stroke="var(--surface)"
      strokeWidth={0.75}
    />
  ));
}

function QueenCell({ picture, at, radius }: { picture: Picture; at: Cell; radius: number }) {
  const words = `The queen: ${queenRate(picture)}`;
  return (
    <g transform={`translate(${at.x} ${at.y})`} role="img" aria-label={words}>
      <path d={hexagon(radius)} fill="var(--accent)" />
      <path
        d={hexagon(radius * 0.86)}
        fill="none"
        stroke="var(--accent-ink)"
        strokeOpacity={0.5}
        strokeWidth={1.25}
      />
      {radius >= NAME_FROM ? (
        <g textAnchor="middle" fill="var(--accent-ink)" className="num">
          <text
            y={radius >= FIGURE_FROM ? -3 : 3}
            fontSize={radius >= LARGE_FROM ? 12 : 10.5}
            fontWeight={700}
          >
            Queen
          </text>
          {radius >= FIGURE_FROM ? (
            <text y={12} fontSize={10.5}>
              {picture.queen.tokensPerS === null
                ? queenRate(picture)
                : `${format.short(Math.round(picture.queen.tokensPerS))} t/s`}
            </text>
          ) : null}
        </g>
      ) : null}
    </g>
  );
}
