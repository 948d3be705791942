/** A row of a table for phones, a few lines high: the title and the corner on top, the other columns as names and values. */
import { cn } from "../cn";
import type { Column } from "./rows";

export function CardRow<R>({
  row,
  columns,
  selected,
}: {
  row: R;
  columns: readonly Column<R>[];
  selected: boolean;
}) {
  const of = (place: Column<R>["card"]) => columns.filter((column) => column.card === place);
  const titles = of("title").length > 0 ? of("title") : columns.slice(0, 1);
  const rest = columns.filter((column) => column.card === undefined && !titles.includes(column));
  return (
    <div className={cn("px-3.5 py-3", selected && "bg-accent-soft [--faint:var(--muted)]")}>
      <div className="flex items-start gap-2">
        {titles.map((column) => (
          <div key={column.id} role="gridcell" className="min-w-0 flex-1 font-medium">
            {column.cell(row)}
          </div>
        ))}
        {of("corner").map((column) => (
          <div key={column.id} role="gridcell" className="shrink-0">
            {column.cell(row)}
          </div>
        ))}
      </div>
      {rest.length > 0 ? (
        <div className="mt-2 grid grid-cols-2 gap-x-4 gap-y-1.5">
          {rest.map((column) => (
            <div key={column.id} role="gridcell" className="min-w-0">
              <div className="text-2xs text-faint">{column.header}</div>
              <div className="min-w-0 truncate num">{column.cell(row)}</div>
            </div>
          ))}
        </div>
      ) : null}
      {of("wide").map((column) => (
        <div key={column.id} role="gridcell" className="mt-2 min-w-0">
          {column.cell(row)}
        </div>
      ))}
    </div>
  );
}
