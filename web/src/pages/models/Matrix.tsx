/**
 * Models down, hives across: what is where, and a press to bring it there.
 *
 * Few hives have wide cells with words, many have marks alone. Only the rows in sight are in the page, and
 * a row is drawn anew only when its own line changed. One cell is in the tab order; the arrows move it.
 * Where the columns need more width than there is, the table scrolls by itself, never the page.
 */
import { defaultRangeExtractor, useVirtualizer } from "@tanstack/react-virtual";
import { memo, useCallback, useRef, useState, type KeyboardEvent } from "react";

import type { HiveRow } from "@/state";
import { Badge, cn, format, useNarrow, withActive } from "@/ui";
import { CellMark } from "./CellMark";
import { nameParts } from "./names";
import { cellAt, shareOf, sizeOf, wordOf, type Cell, type ModelLine } from "./rows";

const ROW_PX = 38;
const HEAD_PX = 34;
const HEAD_TALL_PX = 108; // names of many hives stand upright
const WIDE_MAX = 8; // hives with words in their cells
const MANY = 24; // more hives than these stand close together
const NAME_PX = 400;
const NAME_NARROW_PX = 172;

export interface MatrixProps {
  lines: readonly ModelLine[];
  hives: readonly HiveRow[];
  selected: string;
  onOpen: (line: ModelLine, hiveId?: string) => void;
  onBring: (line: ModelLine, hiveId: string) => void;
}

export function Matrix({ lines, hives, selected, onOpen, onBring }: MatrixProps) {
  const box = useRef<HTMLDivElement>(null);
  const narrow = useNarrow();
  const wide = hives.length <= (narrow ? 1 : WIDE_MAX);
  const nameWidth = narrow ? NAME_NARROW_PX : NAME_PX;
  const head = wide ? HEAD_PX : HEAD_TALL_PX;
  const columns = `${nameWidth}px ${wide ? "" : ""}repeat(${hives.length}, ${wide ? "minmax(120px, 1fr)" : hives.length > MANY ? "24px" : "34px"}) ${wide ? "" : "1fr"}`;
  const [wished, setActive] = useState<[row: number, column: number]>([0, 0]);
  // Lines and hives may have gone: one cell stays in the tab order.
  const active = [
    Math.max(0, Math.min(wished[0], lines.length - 1)),
    Math.min(wished[1], hives.length),
  ] as const;
  const virtual = useVirtualizer({
    count: lines.length,
    getScrollElement: () => box.current,
    estimateSize: () => ROW_PX,
    overscan: 10,
    paddingStart: head,
    scrollPaddingStart: head, // the head covers what lies under it
    rangeExtractor: (range) => withActive(defaultRangeExtractor(range), active[0], range.count),
  });

  const move = useCallback(
    (row: number, column: number) => {
      const at: [number, number] = [
        Math.max(0, Math.min(lines.length - 1, row)),
        Math.max(0, Math.min(hives.length, column)),
      ];
      setActive(at);
      virtual.scrollToIndex(at[0]);
      requestAnimationFrame(() =>
        box.current?.querySelector<HTMLElement>(`[data-cell="${at[0]}.${at[1]}"]`)?.focus(),
      );
    },
    [virtual, lines.length, hives.length],
  );
  const onKeyDown = (event: KeyboardEvent) => {
    // Where the focus is, also when the pointer put it there.
    const place = (event.target as HTMLElement).dataset["cell"]?.split(".").map(Number);
    const [row = active[0], column = active[1]] = place ?? active;
    const steps: Record<string, [number, number]> = {
      ArrowDown: [1, 0],
      ArrowUp: [-1, 0],
      ArrowRight: [0, 1],
      ArrowLeft: [0, -1],
      PageDown: [12, 0],
      PageUp: [-12, 0],
      Home: [0, -hives.length],
      End: [0, hives.length],
    };
    const step = steps[event.key];
    if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    move(row + step[0], column + step[1]);
  };

  return (
    // eslint-disable-next-line jsx-a11y/interactive-supports-focus -- its cells take the focus
    <div
      ref={box}
      role="grid"
      aria-label="Models and hives"
      aria-rowcount={lines.length + 1}
      aria-colcount={hives.length + 1}
      onKeyDown={onKeyDown}
      className="max-h-[calc(100dvh-11rem)] min-h-40 overflow-auto"
    >
      <div className="relative" style={{ height: virtual.getTotalSize(), minWidth: "max-content" }}>
        <div
          role="row"
          aria-rowindex={1}
          className="sticky top-0 z-[3] grid border-b bg-surface"
          style={{ gridTemplateColumns: columns, height: head }}
        >
          <div
            role="columnheader"
            className="sticky left-0 z-[1] flex items-end bg-surface px-3.5 pb-1.5 text-xs font-medium text-muted"
          >
            Model
          </div>
          {hives.map((hive) => (
            <HiveHead key={hive.hive_id} hive={hive} wide={wide} />
          ))}
        </div>
        {virtual.getVirtualItems().map((item) => {
          const line = lines[item.index];
          return line ? (
            <LineRow
              key={line.id}
              line={line}
              hives={hives}
              at={item.index}
              top={item.start}
              columns={columns}
              wide={wide}
              activeColumn={active[0] === item.index ? active[1] : -1}
              selected={selected === line.id}
              onOpen={onOpen}
              onBring={onBring}
            />
          ) : null;
        })}
      </div>
    </div>
  );
}

function HiveHead({ hive, wide }: { hive: HiveRow; wide: boolean }) {
  const quiet = hive.state !== "fresh";
  const title = quiet ? `${hive.hive_id} does not answer` : hive.hive_id;
  return (
    <div
      role="columnheader"
      title={title}
      className={cn(
        "flex min-w-0 items-end pb-1.5 text-xs font-medium",
        wide ? "px-2" : "justify-center",
        quiet ? "text-faint stale" : "text-muted",
      )}
    >
      <span className={cn("truncate", !wide && "max-h-[92px] [writing-mode:vertical-rl] rotate-180")}>
        {hive.hive_id}
      </span>
    </div>
  );
}

interface LineRowProps {
  line: ModelLine;
  hives: readonly HiveRow[];
  at: number;
  top: number;
  columns: string;
  wide: boolean;
  activeColumn: number;
  selected: boolean;
  onOpen: MatrixProps["onOpen"];
  onBring: MatrixProps["onBring"];
}

const LineRow = memo(function LineRow(props: LineRowProps) {
  const { line, hives, at, top, columns, wide, activeColumn, selected, onOpen, onBring } = props;
  return (
    <div
      role="row"
      aria-rowindex={at + 2}
      aria-selected={selected}
      className="absolute inset-x-0 top-0 grid border-b hover:bg-hover"
      style={{ gridTemplateColumns: columns, height: ROW_PX, transform: `translateY(${top}px)` }}
    >
      <button
        type="button"
        role="rowheader"
        data-cell={`${at}.0`}
        tabIndex={activeColumn === 0 ? 0 : -1}
        onClick={() => onOpen(line)}
        className={cn(
          "sticky left-0 z-[2] flex min-w-0 items-center gap-2 bg-surface px-3.5 text-left focus-visible:-outline-offset-2",
          selected && "bg-accent-soft [--faint:var(--muted)]",
        )}
        title={line.id}
      >
        <Name line={line} hives={wide ? null : hives.length} />
      </button>
      {hives.map((hive, index) => (
        <HiveCell
          key={hive.hive_id}
          cell={cellAt(line, hive.hive_id)}
          line={line}
          hive={hive}
          place={`${at}.${index + 1}`}
          active={activeColumn === index + 1}
          wide={wide}
          onOpen={onOpen}
          onBring={onBring}
        />
      ))}
    </div>
  );
});

function Name({ line, hives }: { line: ModelLine; hives: number | null }) {
  return (
    <>
      {/* Where it is from goes to a second line that is cut off, unless a good part of it has room. */}
      <span className="flex h-5 min-w-0 flex-1 flex-wrap items-center gap-x-2 overflow-hidden">
        <span className="max-w-full truncate font-medium">{line.name}</span>
        <span className="min-w-0 flex-[1_1_6rem] truncate text-xs text-faint max-sm:hidden">
          {nameParts(line.id).from}
        </span>
      </span>
      {line.facts?.quantization ? <Badge className="max-sm:hidden">{line.facts.quantization}</Badge> : null}
      <span className="w-16 text-right text-xs text-muted num max-sm:hidden">
        {format.bytes(sizeOf(line))}
      </span>
      {hives === null ? null : (
        <span
          className="w-14 text-right text-xs text-faint num max-sm:hidden"
          title={`${line.onDisk} of ${hives} hives have it`}
        >
          {format.count(line.onDisk)}/{format.count(hives)}
        </span>
      )}
    </>
  );
}

interface HiveCellProps {
  cell: Cell;
  line: ModelLine;
  hive: HiveRow;
  place: string;
  active: boolean;
  wide: boolean;
  onOpen: MatrixProps["onOpen"];
  onBring: MatrixProps["onBring"];
}

function HiveCell({ cell, line, hive, place, active, wide, onOpen, onBring }: HiveCellProps) {
  const absent = cell.kind === "absent";
  const words = wordsOf(cell);
  const quiet = hive.state !== "fresh";
  const action = absent ? ", bring it here" : "";
  return (
    <button
      type="button"
      role="gridcell"
      data-cell={place}
      tabIndex={active ? 0 : -1}
      aria-label={`${line.name} on ${hive.hive_id}: ${words}${action}`}
      title={`${hive.hive_id}: ${words}${cell.download?.reason ? `. ${cell.download.reason}` : ""}`}
      onClick={() => (absent ? onBring(line, hive.hive_id) : onOpen(line, hive.hive_id))}
      className={cn(
        "group flex min-w-0 items-center gap-1.5 focus-visible:-outline-offset-2",
        wide ? "px-2 text-left text-xs" : "justify-center",
        absent ? "hover:bg-accent-soft" : "hover:bg-raised",
        quiet && "stale",
      )}
    >
      <CellMark cell={cell} />
      {wide ? (
        <span
          className={cn(
            "truncate num",
            absent ? "text-transparent group-hover:text-muted group-focus-visible:text-muted" : "text-muted",
          )}
        >
          {absent ? "bring it here" : shortWordsOf(cell, words)}
        </span>
      ) : null}
    </button>
  );
}

/** "downloading, 42 %": the word, and how much of it is done. */
function wordsOf(cell: Cell): string {
  const share = cell.kind === "disk" || cell.kind === "loaded" ? null : shareOf(cell.download);
  return share === null ? wordOf(cell) : `${wordOf(cell)} ${format.percent(share * 100)}`;
}

/** In a cell the ring beside it says "downloading" already. */
function shortWordsOf(cell: Cell, words: string): string {
  const share = cell.kind === "running" ? shareOf(cell.download) : null;
  return share === null ? words : format.percent(share * 100);
}
