/** What a hive has of a model, as a mark of one cell: a ring that fills, a disc, a bolt for loaded, a plus to fetch. */
import { CircleAlert, HardDrive, Pause, Plus, Zap } from "lucide-react";

import { cn } from "@/ui";
import { shareOf, type Cell } from "./rows";

const RING = 2 * Math.PI * 6;

export function CellMark({ cell }: { cell: Cell }) {
  switch (cell.kind) {
    case "loaded":
      return <Zap className="size-3.5 fill-current text-accent-text" aria-hidden />;
    case "disk":
      return <HardDrive className="size-3.5 text-ok" aria-hidden />;
    case "running":
    case "queued":
      return (
        <Ring share={cell.kind === "queued" ? 0 : shareOf(cell.download)} waits={cell.kind === "queued"} />
      );
    case "paused":
    case "stopped":
      return <Pause className="size-3.5 text-warn" aria-hidden />;
    case "damaged":
    case "failed":
      return <CircleAlert className="size-3.5 text-bad" aria-hidden />;
    case "absent":
      return (
        <Plus
          className="size-3 text-faint opacity-40 group-hover:opacity-100 group-focus-visible:opacity-100"
          aria-hidden
        />
      );
  }
}

function Ring({ share, waits }: { share: number | null; waits: boolean }) {
  return (
    <svg
      viewBox="0 0 16 16"
      className={cn("size-4 -rotate-90", waits ? "text-faint" : "text-info")}
      aria-hidden
    >
      <circle cx="8" cy="8" r="6" fill="none" stroke="var(--line-strong)" strokeWidth="2" />
      <circle
        cx="8"
        cy="8"
        r="6"
        fill="none"
        stroke="currentColor"
        strokeWidth="2"
        strokeDasharray={`${(share ?? 0.25) * RING} ${RING}`}
        strokeLinecap="round"
        className={share === null ? "animate-breathe" : undefined}
      />
    </svg>
  );
}
