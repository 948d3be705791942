/** The buttons of a worker, always there; one that cannot be used now says why. */
import { CopyPlus, RotateCw, ScrollText, CircleStop } from "lucide-react";
import { memo } from "react";

import { useSession } from "@/api";
import { cn, IconButton } from "@/ui";
import { restartWorkers, stopWorkers, useBusy, whyNot } from "./actions";
import type { Row } from "./rows";

export interface RowActionsProps {
  row: Row;
  onLogs: (row: { id: string }) => void;
  onDuplicate: (row: Row) => void;
}

function Buttons({ row, onLogs, onDuplicate }: RowActionsProps) {
  const operator = useSession((session) => session.operator);
  const doing = useBusy(row.id);
  const button = (
    action: "stop" | "restart" | "logs",
    label: string,
    icon: React.ReactNode,
    run: () => void,
  ) => {
    const why = doing ? `${doing} …` : whyNot(row, operator, action);
    return (
      <IconButton
        size="sm"
        label={why === null ? label : `${label}: ${why}`}
        icon={icon}
        aria-disabled={why !== null}
        onClick={() => why === null && run()}
        className={cn("max-sm:size-10", action === "stop" && "hover:text-bad")}
      />
    );
  };
  return (
    <span className="inline-flex items-center max-sm:-ml-2.5">
      {button("logs", "Logs", <ScrollText />, () => onLogs(row))}
      {button("logs", "Start another one like it", <CopyPlus />, () => onDuplicate(row))}
      {button("restart", "Restart", <RotateCw />, () => void restartWorkers([row]))}
      {button("stop", "Stop", <CircleStop />, () => void stopWorkers([row]))}
    </span>
  );
}

/** Four buttons with tooltips are dear, and figures that change each second do not change them. */
export const RowActions = memo(
  Buttons,
  (a, b) =>
    a.row.worker === b.row.worker &&
    a.row.status === b.row.status &&
    a.onLogs === b.onLogs &&
    a.onDuplicate === b.onDuplicate,
);
