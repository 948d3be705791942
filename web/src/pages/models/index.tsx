/**
 * The models: which hive has which, what is on its way, and what the hub offers.
 *
 * The view (`view`), the filters (`q`, `hive`), the open model (`model`) and the search (`find`, `on`) live in
 * the URL, so that other pages link here: `/models?view=find&find=llama`, `/models?model=starter`.
 */
import { Download, Package, Search } from "lucide-react";
import { useCallback, useMemo, useState } from "react";

import { useSession } from "@/api";
import { useCommands, useShortcut, useUrlState } from "@/app";
import { useKnown, useTable, type DownloadRow } from "@/state";
import {
  Badge,
  Button,
  Card,
  Empty,
  format,
  Loading,
  PageBody,
  PageHeader,
  SearchInput,
  Segmented,
  Select,
} from "@/ui";
import { BringDialog } from "./BringDialog";
import { DownloadQueue } from "./DownloadQueue";
import { FindModels } from "./find/FindModels";
import { Legend } from "./Legend";
import { Matrix } from "./Matrix";
import { ModelSheet } from "./ModelSheet";
import { heldBy, linesOf, type ModelLine } from "./rows";

type View = "disk" | "downloads" | "find";
const SORTS = [
  { value: "", label: "By name" },
  { value: "size", label: "By size" },
  { value: "copies", label: "By copies" },
];

export function Page() {
  const lines = useLines();
  const hiveTable = useTable("hives");
  const downloads = useTable("downloads");
  const hives = useMemo(
    () => [...hiveTable.values()].sort((a, b) => a.hive_id.localeCompare(b.hive_id, "en", { numeric: true })),
    [hiveTable],
  );
  const queue = useMemo(() => [...downloads.values()], [downloads]);
  const [view, setView] = useUrlState("view", "disk", { push: true });
  const [filter, setFilter] = useUrlState("q");
  const [sort, setSort] = useUrlState("sort");
  const [open, setOpen] = useUrlState("model", "", { push: true });
  const [hive, setHive] = useUrlState("hive");
  const [cell, setCell] = useState("");
  const [bring, setBring] = useState<{ line: ModelLine; hive: string } | null>(null);
  const operator = useSession((session) => session.operator);

  const onOpen = useCallback(
    (line: ModelLine, hive = "") => {
      setCell(hive);
      setOpen(line.id);
    },
    [setOpen],
  );
  const onDownload = useCallback(
    (row: DownloadRow) => {
      setCell(row.hive_id);
      setOpen(row.model);
    },
    [setOpen],
  );
  const onBring = useCallback((line: ModelLine, hive: string) => setBring({ line, hive }), []);
  const onFind = useCallback(() => setView("find"), [setView]);
  useShortcut("n", "Find a model", onFind);
  useCommands(
    useMemo(
      () => [{ id: "model-find", title: "Find and download a model", keys: "n", run: onFind }],
      [onFind],
    ),
  );

  const shown = useMemo(() => arranged(lines, filter, sort, hive), [lines, filter, sort, hive]);
  return (
    <PageBody>
      <PageHeader
        title="Models"
        note={noteOf(lines)}
        actions={
          <>
            {view === "disk" ? (
              <>
                <SearchInput value={filter} onChange={setFilter} label="Filter models" />
                {hive ? (
                  <Button size="sm" variant="ghost" onClick={() => setHive("")} title="Show all again">
                    only on {hive} ×
                  </Button>
                ) : null}
                <Select label="Order" className="w-auto" value={sort} onChange={setSort} options={SORTS} />
              </>
            ) : null}
            <Segmented<View>
              label="View"
              value={view as View}
              onChange={setView}
              options={[
                { value: "disk", label: "In the colony" },
                { value: "downloads", label: <DownloadsLabel count={queue.length} /> },
                { value: "find", label: "Find" },
              ]}
            />
          </>
        }
      />
      {view === "find" ? (
        <>
          {queue.length > 0 ? <DownloadQueue rows={queue} onOpen={onDownload} /> : null}
          <FindModels hives={hives} />
        </>
      ) : view === "downloads" ? (
        queue.length > 0 ? (
          <DownloadQueue rows={queue} onOpen={onDownload} />
        ) : (
          <NoDownloads onFind={onFind} />
        )
      ) : (
        <>
          {queue.length > 0 ? <DownloadQueue rows={queue} onOpen={onDownload} /> : null}
          {shown.length > 0 ? (
            <Card padded={false} className="overflow-hidden">
              <Matrix lines={shown} hives={hives} selected={open} onOpen={onOpen} onBring={onBring} />
              <Legend />
            </Card>
          ) : (
            <NoModels filtered={lines.length > 0} onFind={onFind} />
          )}
        </>
      )}
      {open ? (
        <ModelSheet
          modelId={open}
          line={lines.find((line) => line.id === open)}
          hiveId={cell || hive}
          onClose={() => setOpen("")}
          onBring={onBring}
        />
      ) : null}
      {bring ? (
        <BringDialog
          key={`${bring.line.id} ${bring.hive}`}
          line={lines.find((line) => line.id === bring.line.id) ?? bring.line}
          hiveId={bring.hive}
          operator={operator}
          onClose={() => setBring(null)}
        />
      ) : null}
    </PageBody>
  );
}

function useLines(): readonly ModelLine[] {
  const models = useTable("models");
  const downloads = useTable("downloads");
  const workers = useTable("workers");
  const held = useMemo(() => heldBy(workers), [workers]);
  return useMemo(() => linesOf(models, downloads, held), [models, downloads, held]);
}

function DownloadsLabel({ count }: { count: number }) {
  return <>Downloads {count > 0 ? <Badge tone="accent">{count}</Badge> : null}</>;
}

/** The lines that hold every word, in the order asked for; what is on its way comes first. */
function arranged(
  lines: readonly ModelLine[],
  filter: string,
  sort: string,
  hive: string,
): readonly ModelLine[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const found = lines.filter((line) => {
    if (hive && !line.cells.has(hive)) return false;
    const hay = `${line.id} ${line.name} ${line.facts?.aliases.join(" ") ?? ""} ${line.facts?.quantization ?? ""}`;
    return words.every((word) => hay.toLowerCase().includes(word));
  });
  const byName = (a: ModelLine, b: ModelLine) => a.name.localeCompare(b.name, "en", { numeric: true });
  if (sort === "size")
    return found.sort((a, b) => (b.facts?.size_bytes ?? 0) - (a.facts?.size_bytes ?? 0) || byName(a, b));
  if (sort === "copies") return found.sort((a, b) => b.onDisk - a.onDisk || byName(a, b));
  return found.sort(byName);
}

function noteOf(lines: readonly ModelLine[]): string {
  if (lines.length === 0) return "";
  const loaded = lines.filter((line) => line.loaded > 0).length;
  const bytes = lines.reduce((sum, line) => sum + line.onDisk * (line.facts?.size_bytes ?? 0), 0);
  return `${format.plural(lines.length, "model")} · ${loaded} loaded · ${format.bytes(bytes)} on disks`;
}

function NoDownloads({ onFind }: { onFind: () => void }) {
  return (
    <Card>
      <Empty
        icon={<Download />}
        title="Nothing is on its way"
        text="Models that are fetched stand here with their target, speed and time left, and can be paused, resumed and cancelled."
        action={
          <Button variant="primary" icon={<Search />} onClick={onFind}>
            Find a model
          </Button>
        }
      />
    </Card>
  );
}

function NoModels({ filtered, onFind }: { filtered: boolean; onFind: () => void }) {
  if (!useKnown()) return <Loading text="Fetching the colony's state …" />;
  return (
    <Card>
      {filtered ? (
        <Empty
          icon={<Package />}
          title="No model is called that"
          text="Other words, or none, show the others."
        />
      ) : (
        <Empty
          icon={<Package />}
          title="No hive has a model yet"
          text="Find one on the hub and fetch it, or just ask for one in the chat: the colony fetches what it can serve."
          action={
            <Button variant="primary" icon={<Search />} onClick={onFind}>
              Find a model
            </Button>
          }
        />
      )}
    </Card>
  );
}
