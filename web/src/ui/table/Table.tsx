/**
 * The table of the console: 10,000 rows stay smooth, since only those in sight are in the page.
 *
 * The rule it keeps: it scrolls with the page around it (the nearest ancestor that scrolls), its header
 * sticks, and on a phone each row is a card. One row is in the tab order; arrows, Home, End, PageUp and
 * PageDown move, Enter opens. Sorting is its own unless the page holds it (in the URL).
 */
import { defaultRangeExtractor, useVirtualizer } from "@tanstack/react-virtual";
import {
  useCallback,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
  type KeyboardEvent,
  type ReactNode,
} from "react";

import { cn } from "../cn";
import { useMedia, useNarrow } from "../useNarrow";
import { HeaderRow } from "./HeaderRow";
import { filterRows, nextSort, sortRows, withActive, type Column, type Sort } from "./rows";
import { TableRow } from "./TableRow";

export interface TableProps<R> {
  /** The accessible name. */
  label: string;
  rows: readonly R[];
  columns: readonly Column<R>[];
  rowId: (row: R) => string;
  /** Enter or a click on a row. */
  onOpen?: (row: R) => void;
  /** The id of the row that is open beside the table. */
  selected?: string | null;
  /** Words that a row must hold. */
  filter?: string;
  defaultSort?: Sort;
  /** With `onSort` the page holds the sorting itself. */
  sort?: Sort | null;
  onSort?: (sort: Sort | null) => void;
  /** More classes for a row: "stale". */
  rowClass?: (row: R) => string | undefined;
  /** Shown when no row is left. */
  empty?: ReactNode;
  className?: string;
}

const ROW_PX = 38;
const CARD_PX = 104;
const HEAD_PX = 32;

function scrollParent(element: HTMLElement | null): HTMLElement | null {
  for (let at = element?.parentElement; at; at = at.parentElement) {
    if (/(auto|scroll)/.test(getComputedStyle(at).overflowY)) return at;
  }
  return null;
}

/** Where the list begins inside what scrolls; kept right when things above it grow or shrink. */
function useScroller() {
  const list = useRef<HTMLDivElement>(null);
  const [place, setPlace] = useState<{ scroller: HTMLElement | null; margin: number }>({
    scroller: null,
    margin: 0,
  });
  useLayoutEffect(() => {
    const scroller = scrollParent(list.current);
    const measure = () => {
      if (!list.current || !scroller) return;
      const margin = Math.round(
        list.current.getBoundingClientRect().top - scroller.getBoundingClientRect().top + scroller.scrollTop,
      );
      setPlace((old) => (old.scroller === scroller && old.margin === margin ? old : { scroller, margin }));
    };
    measure();
    const observer = new ResizeObserver(measure);
    if (scroller) {
      observer.observe(scroller);
      for (const child of scroller.children) observer.observe(child);
    }
    return () => observer.disconnect();
  }, []);
  return { list, ...place };
}

/** The keys that move the row that is in the tab order. */
function useRoving(
  total: number,
  setActive: (at: number) => void,
  scrollTo: (at: number) => void,
  open: (at: number) => void,
) {
  const body = useRef<HTMLDivElement>(null);
  const move = useCallback(
    (to: number) => {
      const at = Math.max(0, Math.min(total - 1, to));
      setActive(at);
      scrollTo(at);
      // The row may have to be made first, by the scroll.
      requestAnimationFrame(() =>
        body.current?.querySelector<HTMLElement>(`[data-at="${at}"]`)?.focus({ preventScroll: true }),
      );
    },
    [total, setActive, scrollTo],
  );
  const onKeyDown = (event: KeyboardEvent) => {
    const row = (event.target as HTMLElement).closest<HTMLElement>("[data-at]");
    if (!row || event.altKey || event.ctrlKey || event.metaKey) return;
    // Inside a button of the row the arrows and Enter belong to the button.
    if (event.target !== row) {
      if (event.key === "Escape") row.focus();
      return;
    }
    const at = Number(row.dataset["at"]);
    const steps: Record<string, number> = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      j: at + 1,
      k: at - 1,
      Home: 0,
      End: total - 1,
      PageDown: at + 12,
      PageUp: at - 12,
    };
    const to = steps[event.key];
    if (to !== undefined) {
      event.preventDefault();
      move(to);
    } else if (event.key === "Enter") {
      event.preventDefault();
      open(at);
    }
  };
  return { body, onKeyDown };
}

export function Table<R>(props: TableProps<R>) {
  const { label, rows, columns, rowId, onOpen, selected, filter = "", rowClass, empty, className } = props;
  const narrow = useNarrow();
  const atLeastLg = useMedia("(min-width: 1024px)");
  const atLeastXl = useMedia("(min-width: 1280px)");
  const [ownSort, setOwnSort] = useState<Sort | null>(props.defaultSort ?? null);
  const sort = props.onSort ? (props.sort ?? null) : ownSort;
  const setSort = props.onSort ?? setOwnSort;

  const shown = useMemo(
    () => sortRows(filterRows(rows, columns, filter), columns, sort),
    [rows, columns, filter, sort],
  );
  const visible = useMemo(() => {
    if (narrow) return columns;
    const fits = { lg: atLeastLg, xl: atLeastXl };
    return columns.filter((column) => column.hideBelow === undefined || fits[column.hideBelow]);
  }, [columns, narrow, atLeastLg, atLeastXl]);
  const template = visible.map((column) => column.width ?? "minmax(0,1fr)").join(" ");
  const style = useMemo(
    () => (narrow ? undefined : { height: ROW_PX, gridTemplateColumns: template }),
    [narrow, template],
  );

  const [wished, setActive] = useState(0);
  const active = Math.min(wished, Math.max(0, shown.length - 1));
  const { list, scroller, margin } = useScroller();
  const virtual = useVirtualizer({
    count: shown.length,
    getScrollElement: () => scroller,
    estimateSize: () => (narrow ? CARD_PX : ROW_PX),
    scrollMargin: margin,
    scrollPaddingStart: HEAD_PX + 8,
    scrollPaddingEnd: 8,
    overscan: 8,
    rangeExtractor: (range) => withActive(defaultRangeExtractor(range), active, range.count),
    getItemKey: (at) => {
      const row = shown[at];
      return row === undefined ? at : rowId(row);
    },
  });
  // Cards were measured, rows are not: what was measured in the other shape is forgotten.
  useLayoutEffect(() => virtual.measure(), [virtual, narrow]);
  const scrollTo = useCallback((at: number) => virtual.scrollToIndex(at), [virtual]);
  const openAt = (at: number) => {
    const row = shown[at];
    if (row !== undefined) onOpen?.(row);
  };
  const { body, onKeyDown } = useRoving(shown.length, setActive, scrollTo, openAt);
  const latestOpen = useRef(onOpen);
  useEffect(() => {
    latestOpen.current = onOpen;
  });
  const openRow = useCallback((row: R) => latestOpen.current?.(row), []);

  return (
    <div
      ref={list}
      role="grid"
      aria-label={label}
      aria-rowcount={shown.length + 1}
      aria-colcount={visible.length}
      className={cn("min-w-0", className)}
    >
      <HeaderRow
        columns={visible}
        template={template}
        sort={sort}
        onSort={(id) => setSort(nextSort(sort, id))}
        narrow={narrow}
      />
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- the keys are those of the rows inside */}
      <div
        ref={body}
        role="rowgroup"
        onKeyDown={onKeyDown}
        className="relative"
        style={{ height: virtual.getTotalSize() }}
      >
        {virtual.getVirtualItems().map((item) => {
          const row = shown[item.index];
          if (row === undefined) return null;
          const id = rowId(row);
          return (
            <TableRow
              key={item.key}
              ref={narrow ? virtual.measureElement : undefined}
              row={row}
              id={id}
              at={item.index}
              top={item.start - margin}
              columns={visible}
              narrow={narrow}
              style={style}
              selected={selected === undefined ? undefined : selected === id}
              active={item.index === active}
              opens={onOpen !== undefined}
              onOpen={openRow}
              onFocus={setActive}
              className={rowClass?.(row)}
            />
          );
        })}
      </div>
      {shown.length === 0 ? (
        <div role="row" className="w-full">
          <div role="gridcell">
            {empty ?? (
              <p className="px-4 py-10 text-center text-muted">
                {filter ? "Nothing here holds these words." : "Nothing here yet."}
              </p>
            )}
          </div>
        </div>
      ) : null}
    </div>
  );
}
