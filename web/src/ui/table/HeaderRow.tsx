/** The sticky head of a table; each header that sorts is a button and says which way. */
import { ArrowDown, ArrowUp } from "lucide-react";

import { cn } from "../cn";
import type { Column, Sort } from "./rows";

export interface HeaderRowProps<R> {
  columns: readonly Column<R>[];
  template: string;
  sort: Sort | null;
  onSort: (id: string) => void;
  narrow: boolean;
}

export function HeaderRow<R>({ columns, template, sort, onSort, narrow }: HeaderRowProps<R>) {
  return (
    <div role="rowgroup" className={cn("sticky top-0 z-[2]", narrow && "sr-only")}>
      <div
        role="row"
        aria-rowindex={1}
        className="grid h-8 items-center gap-3 rounded-t-lg border-b bg-surface px-3.5"
        style={{ gridTemplateColumns: template }}
      >
        {columns.map((column) => {
          const by = sort?.id === column.id ? sort : null;
          return (
            <div
              key={column.id}
              role="columnheader"
              aria-sort={column.sort ? (by ? (by.desc ? "descending" : "ascending") : "none") : undefined}
              className={cn(
                "flex min-w-0 text-xs font-medium text-muted",
                column.align === "right" && "justify-end",
              )}
            >
              {column.sort ? (
                <button
                  type="button"
                  tabIndex={narrow ? -1 : 0}
                  onClick={() => onSort(column.id)}
                  className={cn(
                    "-mx-1 inline-flex min-w-0 items-center gap-1 rounded-sm px-1 hover:text-fg",
                    by && "text-fg",
                  )}
                >
                  <span className="truncate">{column.header}</span>
                  {by ? (
                    by.desc ? (
                      <ArrowDown className="size-3 shrink-0" aria-hidden />
                    ) : (
                      <ArrowUp className="size-3 shrink-0" aria-hidden />
                    )
                  ) : null}
                </button>
              ) : (
                <span className={cn("truncate", column.quietHeader && "sr-only")}>{column.header}</span>
              )}
            </div>
          );
        })}
      </div>
    </div>
  );
}
