/** What lives on a hive: its workers, and the models on its disk. */
import { Link } from "@tanstack/react-router";

import { useRow, useTable, type WorkerRow } from "@/state";
import { shortName } from "@/topology";
import { buttonClass, format, StatusDot } from "@/ui";

import { workersOf } from "../workersOf";
import { Section } from "./Section";

const MODELS_SHOWN = 8;

export function WorkersOf({ hiveId }: { hiveId: string }) {
  useTable("workers");
  const workers = workersOf(hiveId);
  return (
    <Section title="Workers" note={format.count(workers.length)}>
      {workers.length === 0 ? (
        <p className="text-muted">
          None. The first request for a model that lies here starts one;{" "}
          <Link
            to="/workers"
            search={{ start: "new", hive: hiveId } as never}
            className="text-accent-text underline underline-offset-2"
          >
            or start one by hand
          </Link>
          .
        </p>
      ) : (
        <ul className="divide-y rounded-lg border bg-surface">
          {workers.map((worker) => (
            <Worker key={worker.worker_id} worker={worker} />
          ))}
        </ul>
      )}
    </Section>
  );
}

function Worker({ worker }: { worker: WorkerRow }) {
  const load = useRow("loads", worker.worker_id);
  const busy = load ? Math.max(load.running, load.slots_busy ?? 0) : null;
  return (
    <li>
      <Link
        to="/workers"
        search={{ worker: worker.worker_id } as never}
        className="flex flex-wrap items-center gap-x-3 gap-y-0.5 px-3 py-2 hover:bg-hover focus-visible:-outline-offset-2"
      >
        <span className="min-w-0 flex-1 basis-40 truncate font-medium" title={worker.model}>
          {shortName(worker.model)}
        </span>
        <StatusDot state={busy !== null && busy > 0 && worker.status === "ready" ? "busy" : worker.status} />
        <span className="w-20 text-right text-xs text-muted num">
          {busy ?? format.UNKNOWN}/{worker.slots_total ?? format.UNKNOWN} slots
        </span>
        <span className="w-20 text-right text-xs num">{format.tokensPerS(load?.tokens_per_s)}</span>
        <span className="w-16 text-right text-xs text-faint">{worker.route ?? "no way"}</span>
        {worker.reason ? <span className="w-full truncate text-xs text-muted">{worker.reason}</span> : null}
      </Link>
    </li>
  );
}

export function ModelsOf({ hiveId }: { hiveId: string }) {
  const table = useTable("models");
  const models = [...table.values()].filter((model) => model.hive_id === hiveId);
  const size = models.reduce((sum, model) => sum + (model.size_bytes ?? 0), 0);
  const shown = [...models]
    .sort((a, b) => Number(b.loaded) - Number(a.loaded) || a.name.localeCompare(b.name))
    .slice(0, MODELS_SHOWN);
  return (
    <Section
      title="Models"
      note={models.length > 0 ? `${format.count(models.length)} · ${format.bytes(size)}` : undefined}
    >
      {models.length === 0 ? (
        <p className="text-muted">
          None on its disk.{" "}
          <Link to="/models" className="text-accent-text underline underline-offset-2">
            Find one
          </Link>{" "}
          and the page says whether it fits here.
        </p>
      ) : (
        <ul className="flex flex-wrap gap-1.5">
          {shown.map((model) => (
            <li
              key={model.model_id}
              className="flex max-w-full items-center gap-1.5 rounded-md border bg-surface px-2 py-1 text-xs"
            >
              {model.loaded ? (
                <span className="size-1.5 shrink-0 rounded-full bg-ok" role="img" aria-label="loaded" />
              ) : null}
              <span className="truncate" title={model.name}>
                {shortName(model.name)}
              </span>
              <span className="text-faint num">{format.bytes(model.size_bytes)}</span>
            </li>
          ))}
          {models.length > shown.length ? (
            <li>
              <Link to="/models" search={{ hive: hiveId } as never} className={buttonClass("ghost", "sm")}>
                {models.length - shown.length} more
              </Link>
            </li>
          ) : null}
        </ul>
      )}
    </Section>
  );
}
