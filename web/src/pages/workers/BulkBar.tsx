/** What can be done to the workers that are chosen; it stands at the foot of the page while some are. */
import { RotateCw, CircleStop, X } from "lucide-react";

import { Button, format, IconButton } from "@/ui";
import { restartWorkers, stopWorkers, whyNot } from "./actions";
import type { Row } from "./rows";

export interface BulkBarProps {
  rows: readonly Row[];
  operator: boolean;
  onNone: () => void;
}

export function BulkBar({ rows, operator, onNone }: BulkBarProps) {
  const able = (action: "stop" | "restart") => rows.filter((row) => whyNot(row, operator, action) === null);
  const stoppable = able("stop");
  const restartable = able("restart");
  return (
    <div
      role="toolbar"
      aria-label="Chosen workers"
      className="sticky bottom-3 z-10 mx-auto flex flex-wrap items-center gap-2 rounded-xl border border-line-strong bg-overlay px-3 py-2 shadow-pop animate-rise"
    >
      <span className="px-1 font-medium num">{format.plural(rows.length, "worker")} chosen</span>
      <Button
        size="sm"
        icon={<RotateCw />}
        disabled={restartable.length === 0}
        onClick={() => void restartWorkers(restartable)}
      >
        Restart{counted(restartable, rows)}
      </Button>
      <Button
        size="sm"
        variant="danger"
        icon={<CircleStop />}
        disabled={stoppable.length === 0}
        onClick={() => void stopWorkers(stoppable)}
      >
        Stop{counted(stoppable, rows)}
      </Button>
      <IconButton size="sm" label="Choose none" icon={<X />} onClick={onNone} />
    </div>
  );
}

function counted(able: readonly Row[], rows: readonly Row[]): string {
  return able.length === rows.length ? "" : ` ${able.length}`;
}
