/**
 * The logs of the queen, the hives and the workers in one viewer; which one is in the URL (`log=hive:ID`).
 *
 * They all come through the queen, also from hives that she reaches by their link alone.
 */
import { useMemo } from "react";

import { useSession } from "@/api";
import { useUrlState } from "@/app";
import { LogView } from "@/pages/workers/log/LogViewer";
import { workerLogPath } from "@/pages/workers/log/useLog";
import { useTable } from "@/state";
import { cn, Notice, Select, StatusDot, useNarrow } from "@/ui";
import { sourceOf, sourcesOf, type Source } from "./sources";

export function LogPane() {
  const operator = useSession((session) => session.operator);
  const hives = useTable("hives");
  const workers = useTable("workers");
  const [chosen, setChosen] = useUrlState("log", "queen");
  const narrow = useNarrow();
  const sources = useMemo(() => sourcesOf(hives, workers), [hives, workers]);
  if (!operator)
    return (
      <Notice tone="warn" title="Logs are for operators">
        This key may look at the colony, not into its logs. Sign in with an operator&apos;s key.
      </Notice>
    );
  const source = sourceOf(chosen, sources);
  return (
    <div className="flex min-h-0 gap-4 max-md:flex-col">
      {narrow ? (
        <Select
          label="Whose log"
          value={source.key}
          onChange={setChosen}
          options={sources.map((one) => ({ value: one.key, label: one.about }))}
        />
      ) : (
        <Sources sources={sources} chosen={source.key} onChoose={setChosen} />
      )}
      <div className="h-[calc(100dvh-6.5rem)] min-w-0 flex-1 max-md:h-[calc(100dvh-17rem)] max-md:flex-none">
        <LogView
          key={source.key}
          path={pathOf(source)}
          name={source.name}
          from={source.hiveId ?? "the queen"}
        />
      </div>
    </div>
  );
}

function pathOf(source: Source): string {
  if (source.hiveId === null) return "/v1/logs";
  return source.kind === "hive"
    ? `/v1/hives/${encodeURIComponent(source.hiveId)}/logs`
    : workerLogPath(source.hiveId, source.name);
}

function Sources({
  sources,
  chosen,
  onChoose,
}: {
  sources: readonly Source[];
  chosen: string;
  onChoose: (key: string) => void;
}) {
  return (
    <nav aria-label="Whose log" className="max-h-[calc(100dvh-6.5rem)] w-56 shrink-0 overflow-y-auto pr-1">
      <ul className="flex flex-col gap-px">
        {sources.map((source) => (
          <li key={source.key}>
            <button
              type="button"
              aria-current={source.key === chosen ? "true" : undefined}
              onClick={() => onChoose(source.key)}
              className={cn(
                "flex w-full min-w-0 items-center gap-2 rounded-md px-2 py-1 text-left hover:bg-hover",
                source.kind === "worker" && "pl-6",
                source.kind === "hive" && "mt-2 font-medium",
                source.key === chosen && "bg-accent-soft text-accent-text",
              )}
              title={source.about}
            >
              <StatusDot state={source.state} label="" />
              <span className="min-w-0 flex-1 truncate">{source.label}</span>
              {source.kind === "worker" ? (
                <span className="shrink-0 text-2xs text-faint">{tailOf(source.name)}</span>
              ) : null}
            </button>
          </li>
        ))}
      </ul>
    </nav>
  );
}

/** What tells apart two workers of one model: the end of their ids. */
function tailOf(id: string): string {
  return id.slice(id.lastIndexOf("-") + 1).slice(-6);
}
