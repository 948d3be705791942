/**
 * What the whole colony does right now: the first page that people see.
 *
 * The rule it keeps: what needs somebody stands above what is merely so, and figures that change each
 * second are drawn by their charts, not by this page.
 */
import { Link } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { useState } from "react";

import { useSession } from "@/api";
import { useColony, useConnection, useTable } from "@/state";
import { Topology } from "@/topology";
import { buttonClass, Card, format, Loading, PageBody, PageHeader, StatusDot, Time } from "@/ui";

import { AlertList, useAlerts } from "./AlertList";
import { CombCard } from "./CombCard";
import { DeviceRows } from "./DeviceRows";
import { FirstRun } from "./FirstRun";
import { Graphs } from "./Graphs";
import { Recent } from "./Recent";
import { Tiles } from "./Tiles";

function Header({ alerts }: { alerts: number }) {
  const colony = useColony();
  const operator = useSession((session) => session.operator);
  return (
    <PageHeader
      title="Overview"
      note={
        colony ? (
          <span className="flex flex-wrap items-center gap-x-3">
            <StatusDot
              state={alerts > 0 ? "attention" : "well"}
              tone={alerts > 0 ? "warn" : "ok"}
              label={
                alerts > 0
                  ? `${format.plural(alerts, "thing")} need${alerts === 1 ? "s" : ""} attention`
                  : "All is well"
              }
            />
            <span className="text-faint max-sm:hidden">
              {colony.hostname} · {colony.version} · up <Time at={colony.started_at} mode="since" />
            </span>
          </span>
        ) : null
      }
      actions={
        !operator ? null : (
          <>
            <Link to="/hives" search={{ add: "token" } as never} className={buttonClass()}>
              <Plus aria-hidden />
              Add a hive
            </Link>
            <Link to="/workers" search={{ start: "new" } as never} className={buttonClass()}>
              <Plus aria-hidden />
              Start a worker
            </Link>
          </>
        )
      }
    />
  );
}

/** From here on the comb takes the whole width, and the graphs stand beside the topology. */
const MANY_HIVES = 24;
/** So few devices are better read as rows than seen as a comb. */
const FEW_DEVICES = 12;
/** Rows that leave room for the events below them, beside the topology. */
const VERY_FEW_DEVICES = 4;

/** Comb, topology, graphs and events, arranged by how large the colony is. */
function Places({ hives, isEmpty }: { hives: number; isEmpty: boolean }) {
  const cells = useColony()?.gpus || hives;
  const topology = (className: string) => (
    <Card title="Colony" className={className}>
      <Topology heightMax={430} />
    </Card>
  );
  const hasGpus = (useColony()?.gpus ?? 0) > 0;
  const isVeryFew = cells <= VERY_FEW_DEVICES;
  const graphs = (className: string, recent: string | null) =>
    isEmpty ? (
      recent === null ? null : (
        <Recent />
      )
    ) : (
      <div className={`grid content-start gap-4 md:grid-cols-2 ${className}`}>
        <Graphs heat={!isVeryFew} />
        {recent === null ? null : <Recent className={hasGpus ? recent : "md:col-span-full"} />}
      </div>
    );
  if (hives > MANY_HIVES) {
    return (
      <>
        <CombCard />
        <div className="grid gap-4 xl:grid-cols-12">
          {topology("xl:col-span-5")}
          {graphs("xl:col-span-7", "")}
        </div>
      </>
    );
  }
  if (cells <= FEW_DEVICES) {
    return (
      <>
        <div className="grid gap-4 xl:grid-cols-12">
          <div className="flex min-w-0 flex-col gap-4 xl:col-span-7">
            <DeviceRows className={isVeryFew ? "" : "flex-1"} />
            {isVeryFew ? <Recent className="flex-1" /> : null}
          </div>
          {topology("xl:col-span-5")}
        </div>
        {graphs("xl:grid-cols-4", isVeryFew ? null : "xl:col-span-3")}
      </>
    );
  }
  return (
    <>
      <div className="grid gap-4 xl:grid-cols-12">
        <CombCard className="xl:col-span-6" />
        {topology("xl:col-span-6")}
      </div>
      {graphs("xl:grid-cols-4", "xl:col-span-3")}
    </>
  );
}

export function Page() {
  const known = useColony() !== undefined;
  const { state } = useConnection();
  const alerts = useAlerts();
  // Its own worker appears before it answers: who waits for it keeps seeing how far it is.
  const [isStarting, setStarting] = useState(false);
  const isEmpty = useTable("workers").size === 0 || isStarting;
  const hives = useTable("hives").size;
  if (!known) {
    return (
      <PageBody>
        <PageHeader title="Overview" />
        <Loading
          text={
            state === "lost"
              ? "The queen does not answer; asked again every second …"
              : "Asking the queen how the colony is …"
          }
        />
      </PageBody>
    );
  }
  return (
    <PageBody>
      <Header alerts={alerts.length} />
      {isEmpty ? <FirstRun onBusy={setStarting} /> : null}
      {hives > 0 ? <Tiles /> : null}
      <AlertList alerts={alerts} />
      {hives > 0 ? <Places hives={hives} isEmpty={isEmpty} /> : null}
    </PageBody>
  );
}
