/**
 * What a table does with its rows before it shows them: filter by words, then sort by one column.
 *
 * Pure. Unknown values sort last in both directions: nobody looks for what is not known.
 */
import type { ReactNode } from "react";

export type SortValue = number | string | boolean | null | undefined;

export interface Column<R> {
  id: string;
  header: string;
  /** What the cell shows. */
  cell: (row: R) => ReactNode;
  /** What it sorts by; without it the column does not sort. */
  sort?: (row: R) => SortValue;
  /** What the filter finds in it (default: `sort`, where that is text). */
  text?: (row: R) => string | null | undefined;
  /** A CSS grid track: "minmax(160px,2fr)", "96px" (default "minmax(0,1fr)"). */
  width?: string;
  align?: "right";
  /** Left out of tables narrower than this; cards at 390 px show it all the same unless `card` is false. */
  hideBelow?: "lg" | "xl";
  /** Where it goes in a card: its title, its corner (buttons, badges), a line of its own, or nowhere. */
  card?: "title" | "corner" | "wide" | false;
  /** The header is read out only (columns of buttons). */
  quietHeader?: boolean;
}

export interface Sort {
  id: string;
  desc: boolean;
}

const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

export function compare(a: SortValue, b: SortValue): number {
  if (typeof a === "string" && typeof b === "string") return collator.compare(a, b);
  return Number(a) - Number(b);
}

function unknown(value: SortValue): boolean {
  return (
    value === null ||
    value === undefined ||
    value === "" ||
    (typeof value === "number" && Number.isNaN(value))
  );
}

export function sortRows<R>(
  rows: readonly R[],
  columns: readonly Column<R>[],
  sort: Sort | null,
): readonly R[] {
  const by = columns.find((column) => column.id === sort?.id)?.sort;
  if (!by || !sort) return rows;
  const keyed = rows.map((row, at) => ({ row, at, key: by(row) }));
  keyed.sort((a, b) => {
    const none = Number(unknown(a.key)) - Number(unknown(b.key));
    if (none !== 0) return none;
    if (unknown(a.key)) return a.at - b.at;
    const order = compare(a.key, b.key);
    return order === 0 ? a.at - b.at : sort.desc ? -order : order;
  });
  return keyed.map((each) => each.row);
}

/** Rows that hold every word of `filter` somewhere in their texts; case does not matter. */
export function filterRows<R>(
  rows: readonly R[],
  columns: readonly Column<R>[],
  filter: string,
): readonly R[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return rows;
  return rows.filter((row) => {
    const hay = columns
      .map((column) => {
        if (column.text) return column.text(row) ?? "";
        const value = column.sort?.(row);
        return typeof value === "string" ? value : "";
      })
      .join("\n")
      .toLowerCase();
    return words.every((word) => hay.includes(word));
  });
}

/** The next sorting when a header is pressed: this column upwards, then downwards, then as it came. */
export function nextSort(current: Sort | null, id: string): Sort | null {
  if (current?.id !== id) return { id, desc: false };
  return current.desc ? null : { id, desc: true };
}

/** The rows in sight, and the one in the tab order: scrolled away it could not be tabbed to, or lost the focus. */
export function withActive(inSight: readonly number[], active: number, count: number): number[] {
  if (active >= count || inSight.includes(active)) return [...inSight];
  return active < (inSight[0] ?? 0) ? [active, ...inSight] : [...inSight, active];
}
