/** One row of a table: its cells beside each other, or a card on a phone; drawn anew only when it is another one. */
import { memo, type CSSProperties, type Ref } from "react";

import { cn } from "../cn";
import { CardRow } from "./CardRow";
import type { Column } from "./rows";

export interface TableRowProps<R> {
  row: R;
  id: string;
  /** Its place in the list, counted from 0. */
  at: number;
  /** From the top of the list, in pixels. */
  top: number;
  columns: readonly Column<R>[];
  narrow: boolean;
  style: CSSProperties | undefined;
  selected: boolean | undefined;
  /** Whether it is the one in the tab order. */
  active: boolean;
  opens: boolean;
  onOpen: (row: R) => void;
  onFocus: (at: number) => void;
  className: string | undefined;
  /** Measures it: cards have the height of what they hold. */
  ref: Ref<HTMLDivElement> | undefined;
}

function Row<R>(props: TableRowProps<R>) {
  const { row, id, at, top, columns, narrow, style, selected, active, opens, className } = props;
  return (
    // eslint-disable-next-line jsx-a11y/click-events-have-key-events -- the rowgroup around it hears the keys
    <div
      ref={props.ref}
      data-at={at}
      data-index={at}
      data-row={id}
      role="row"
      aria-rowindex={at + 2}
      aria-selected={selected}
      tabIndex={active ? 0 : -1}
      onFocus={() => props.onFocus(at)}
      onClick={(event) => {
        // A click on a button or a link of the row is meant for that.
        if (!(event.target as HTMLElement).closest("button,a,input,select,label")) props.onOpen(row);
      }}
      className={cn(
        "absolute inset-x-0 top-0 focus-visible:z-[1] focus-visible:-outline-offset-2",
        "border-b last:border-b-0",
        narrow ? "" : "grid items-center gap-3 px-3.5",
        opens && "cursor-pointer",
        !narrow && "hover:bg-hover",
        !narrow && selected && "bg-accent-soft [--faint:var(--muted)] hover:bg-accent-soft",
        className,
      )}
      style={{ transform: `translateY(${top}px)`, ...style }}
    >
      {narrow ? (
        <CardRow row={row} columns={columns} selected={selected === true} />
      ) : (
        columns.map((column) => (
          <div
            key={column.id}
            role="gridcell"
            className={cn("min-w-0 truncate", column.align === "right" && "text-right num")}
          >
            {column.cell(row)}
          </div>
        ))
      )}
    </div>
  );
}

/** What changes each second in a cell is that cell's own to listen to: rows that are the same are not drawn. */
export const TableRow = memo(Row) as typeof Row;
