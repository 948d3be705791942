/** A worker's log: live, filtered by words and level, copied and saved; see `useLog` and `LogBody`. */
import { ArrowDownToLine, Copy, Download } from "lucide-react";
import { useDeferredValue, useMemo, useState } from "react";

import { toast } from "@/app";
import { copyText, format, IconButton, Loading, Notice, saveAs, SearchInput, Select, StatusDot } from "@/ui";
import { LogBody } from "./LogBody";
import type { Level } from "./lines";
import { useLog, workerLogPath } from "./useLog";

const LEVELS: Record<string, ReadonlySet<Level> | null> = {
  all: null,
  warn: new Set<Level>(["warn", "error", "mark"]),
  error: new Set<Level>(["error", "mark"]),
};

/** A worker's log. */
export function LogViewer({ hiveId, workerId }: { hiveId: string; workerId: string }) {
  return <LogView path={workerLogPath(hiveId, workerId)} name={workerId} from={hiveId} />;
}

/** The log at `path`; `name` is whose it is, `from` whom it comes from. Give it `path` as its key. */
export function LogView({ path, name, from }: { path: string; name: string; from: string }) {
  const log = useLog(path);
  const [filter, setFilter] = useState("");
  const [level, setLevel] = useState("all");
  const [following, setFollowing] = useState(true);
  const asked = useDeferredValue(filter);
  const words = useMemo(() => asked.toLowerCase().split(/\s+/).filter(Boolean), [asked]);
  const { lines, version } = log;
  const shown = useMemo(
    () => lines.find(words, LEVELS[level] ?? null),
    // eslint-disable-next-line react-hooks/exhaustive-deps -- the lines change in place; the version says when
    [lines, version, words, level],
  );
  const total = shown?.length ?? lines.length;

  if (log.state === "loading") return <Loading text={`Fetching the log from ${from} …`} />;
  if (log.state === "failed")
    return <Notice title={log.problem?.message ?? "The log cannot be read."}>{log.problem?.remedy}</Notice>;
  return (
    <div className="flex h-full min-h-80 flex-col gap-2">
      <div className="flex flex-wrap items-center gap-2">
        <SearchInput value={filter} onChange={setFilter} label="Filter lines" className="max-sm:w-full" />
        <Select
          value={level}
          onChange={setLevel}
          label="Level"
          className="w-auto"
          options={[
            { value: "all", label: "All lines" },
            { value: "warn", label: "Warnings and errors" },
            { value: "error", label: "Errors" },
          ]}
        />
        <span className="ml-auto flex items-center gap-1">
          <IconButton
            size="sm"
            label={following ? "Follows the end" : "Go to the end and follow"}
            icon={<ArrowDownToLine />}
            aria-pressed={following}
            className={following ? "text-accent-text" : undefined}
            onClick={() => setFollowing(true)}
          />
          <IconButton
            size="sm"
            label={`Copy ${format.plural(total, "line")}`}
            icon={<Copy />}
            onClick={() => {
              void copyText(lines.text(shown)).then((done) =>
                done
                  ? toast.ok(`${format.plural(total, "line")} copied.`)
                  : toast.problem({
                      message: "The browser refuses to copy.",
                      remedy: "Save the lines as a file instead.",
                    }),
              );
            }}
          />
          <IconButton
            size="sm"
            label={`Save ${format.plural(total, "line")} as a file`}
            icon={<Download />}
            onClick={() => saveAs(`${name}.log`, lines.text(shown))}
          />
        </span>
      </div>
      <LogBody
        lines={lines}
        shown={shown}
        words={words}
        version={version}
        following={following}
        onFollowing={setFollowing}
        label={`Log of ${name}`}
      />
      <div className="flex items-center gap-3 text-2xs text-faint num">
        <StatusDot
          state={log.state === "live" ? "live" : "retrying"}
          label={log.state === "live" ? "live" : "asking again …"}
          pulse={log.state !== "live"}
        />
        <span>
          {shown === null
            ? format.plural(lines.length, "line")
            : `${format.count(total)} of ${format.plural(lines.length, "line")}`}
        </span>
        {lines.dropped > 0 ? <span>{format.count(lines.dropped)} older ones let go</span> : null}
      </div>
    </div>
  );
}
