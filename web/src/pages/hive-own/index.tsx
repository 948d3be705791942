/**
 * A hive's own page, served by the hive itself: its devices, workers, models and logs.
 *
 * The queen's console shows the whole colony; this one is for who sits at the machine, and for when
 * she does not answer. Workers go on without her, and so does this page.
 */
import { ExternalLink, ScrollText } from "lucide-react";
import { useCallback, useState } from "react";

import { SessionGate } from "@/app/SessionGate";
import { Button, buttonClass, Loading, Notice, PageBody, PageHeader, Sheet, Time } from "@/ui";

import { LogView } from "../workers/log/LogViewer";
import { Devices } from "./Devices";
import { Models } from "./Models";
import { type Hive, useHive, type Worker } from "./useHive";
import { Workers } from "./Workers";

interface Log {
  path: string;
  name: string;
}

export function Page() {
  return (
    <SessionGate>
      <Hive />
    </SessionGate>
  );
}

function Hive() {
  const hive = useHive();
  const [log, setLog] = useState<Log | null>(null);
  const onLog = useCallback((worker: Worker) => {
    setLog({ path: `/v1/workers/${encodeURIComponent(worker.worker_id)}/logs`, name: worker.model });
  }, []);
  if (!hive.info)
    return hive.problem ? <NotThere hive={hive} /> : <Loading text="Asking the hive what it has …" />;
  const name = hive.info.hive_id ?? "hive";
  return (
    <PageBody>
      <PageHeader
        title={name}
        note={`rbee ${hive.info.version}`}
        actions={
          <>
            <Button icon={<ScrollText />} onClick={() => setLog({ path: "/v1/logs", name: "the hive" })}>
              Its log
            </Button>
            <QueenLink url={hive.info.queen_url ?? null} />
          </>
        }
      />
      {hive.problem ? (
        <Notice tone="warn" title="The hive does not answer now">
          {hive.problem.message} What is shown is from <Time at={hive.at} />.
        </Notice>
      ) : null}
      <div className={hive.problem ? "stale contents" : "contents"}>
        <Devices hive={hive} />
        <Workers hive={hive} onLog={onLog} />
        <Models hive={hive} />
      </div>
      {log ? (
        <Sheet open wide onOpenChange={(open) => !open && setLog(null)} title={`Log of ${log.name}`}>
          <div className="h-[calc(100dvh-8rem)]">
            <LogView key={log.path} path={log.path} name={log.name} from={name} />
          </div>
        </Sheet>
      ) : null}
    </PageBody>
  );
}

function NotThere({ hive }: { hive: Hive }) {
  return (
    <PageBody>
      <PageHeader title="Hive" />
      <Notice title={hive.problem?.message ?? "The hive does not answer."}>
        {hive.problem?.remedy} It is asked again every few seconds.
      </Notice>
    </PageBody>
  );
}

function QueenLink({ url }: { url: string | null }) {
  if (!url) return null;
  return (
    <a href={`${url}/`} target="_top" className={buttonClass()}>
      <ExternalLink aria-hidden /> The colony&apos;s console
    </a>
  );
}
