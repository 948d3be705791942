/** What needs somebody, with the remedy and a button that leads there; nothing at all where all is well. */
import { Link } from "@tanstack/react-router";
import { ChevronRight, CircleAlert, DoorOpen, TriangleAlert } from "lucide-react";
import { useState } from "react";

import { serverNow, useColony, useTable } from "@/state";
import { Button, Card, cn, inWords } from "@/ui";

import { findAlerts, type Alert } from "./alerts";

const ICON = { bad: CircleAlert, warn: TriangleAlert, info: DoorOpen };
const LOOK = { bad: "text-bad", warn: "text-warn", info: "text-info" };
/** More than this pushes the colony out of sight; the rest is a press away. */
const SHOWN = 4;

export function useAlerts(): Alert[] {
  const colony = useColony();
  const hives = useTable("hives");
  const nodes = useTable("nodes");
  const workers = useTable("workers");
  const downloads = useTable("downloads");
  const joins = useTable("joins");
  const requests = useTable("requests");
  return findAlerts({
    colony,
    hives: hives.values(),
    nodes,
    workers: workers.values(),
    downloads: downloads.values(),
    joins: joins.values(),
    requests: requests.values(),
    now: serverNow(),
  });
}

export function AlertList({ alerts }: { alerts: readonly Alert[] }) {
  const [all, setAll] = useState(false);
  if (alerts.length === 0) return null;
  const shown = all ? alerts : alerts.slice(0, SHOWN);
  return (
    <Card
      title="Needs attention"
      note={alerts.length}
      padded={false}
      actions={
        alerts.length > SHOWN ? (
          <Button variant="ghost" size="sm" aria-expanded={all} onClick={() => setAll(!all)}>
            {all ? "Show fewer" : `Show all ${alerts.length}`}
          </Button>
        ) : null
      }
    >
      <ul className="divide-y">
        {shown.map((alert) => {
          const Icon = ICON[alert.tone];
          return (
            <li
              key={alert.id}
              className="relative flex items-start gap-2.5 px-3.5 py-2 hover:bg-hover sm:items-center"
            >
              <Icon className={cn("mt-0.5 size-4 shrink-0 sm:mt-0", LOOK[alert.tone])} aria-hidden />
              <p className="min-w-0 flex-1 sm:flex sm:items-baseline sm:gap-2.5">
                <span className="font-medium sm:shrink-0">{alert.title}</span>
                <span className="block min-w-0 text-muted max-sm:line-clamp-3 sm:truncate" title={alert.text}>
                  {inWords(alert.text)}
                </span>
              </p>
              {/* The link covers its row, so that a thumb need not aim. */}
              <Link
                to={alert.action.to}
                search={alert.action.search as never}
                className="inline-flex shrink-0 items-center gap-1 rounded-sm text-xs font-medium text-muted after:absolute after:inset-0 hover:text-fg"
              >
                <span className="max-sm:sr-only">{alert.action.label}</span>
                <ChevronRight className="size-4" aria-hidden />
              </Link>
            </li>
          );
        })}
      </ul>
    </Card>
  );
}
