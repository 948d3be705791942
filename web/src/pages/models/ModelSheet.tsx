/** One model in a drawer: what it is, where it is and what is done with it there, where it would fit. */
import { Link } from "@tanstack/react-router";
import { CopyPlus, MessageSquareText, Pin, PinOff, Play, Trash2 } from "lucide-react";
import { useState } from "react";

import { useSession } from "@/api";
import { useKnown, useTable, type HiveRow, type ModelRow } from "@/state";
import {
  Badge,
  buttonClass,
  cn,
  Copyable,
  Empty,
  Facts,
  format,
  IconButton,
  Loading,
  Notice,
  Progress,
  Select,
  Sheet,
  Time,
  inWords,
} from "@/ui";
import { deleteModel, pinModel } from "./actions";
import { CellMark } from "./CellMark";
import { PlanOptions } from "./fit/PlanOptions";
import { usePlan } from "./fit/usePlan";
import { shareOf, sizeOf, wordOf, type Cell, type ModelLine } from "./rows";

export interface ModelSheetProps {
  modelId: string;
  line: ModelLine | undefined;
  /** The hive whose cell was pressed; it is marked. */
  hiveId: string;
  onClose: () => void;
  onBring: (line: ModelLine, hiveId: string) => void;
}

export function ModelSheet({ modelId, line, hiveId, onClose, onBring }: ModelSheetProps) {
  const known = useKnown();
  return (
    <Sheet
      open
      onOpenChange={(open) => !open && onClose()}
      title={line?.name ?? modelId}
      description={line ? line.id : known ? "No hive has it any more" : undefined}
      footer={
        line && line.onDisk > 0 ? (
          <>
            <Link to="/chat" search={{ model: line.id } as never} className={buttonClass("ghost")}>
              <MessageSquareText aria-hidden /> Chat
            </Link>
            <Link to="/workers" search={{ start: line.id } as never} className={buttonClass("primary")}>
              <Play aria-hidden /> Start a worker
            </Link>
          </>
        ) : undefined
      }
    >
      {line ? (
        <div className="flex flex-col gap-6">
          <About line={line} />
          <Places line={line} hiveId={hiveId} onBring={onBring} />
          <Fits line={line} />
        </div>
      ) : !known ? (
        <Loading text="Fetching the colony's state …" />
      ) : (
        <Empty
          title="No hive has this model"
          text="It was deleted, or its hive left. Find it on the hub to have it again."
        />
      )}
    </Sheet>
  );
}

function About({ line }: { line: ModelLine }) {
  const facts = line.facts;
  const can = [
    facts?.embedding ? "embeddings" : null,
    facts?.rerank ? "rerank" : null,
    facts?.chat_template ? "chat" : null,
    facts?.tools ? "tools" : null,
  ].filter((word) => word !== null);
  return (
    <Facts
      items={[
        ["Size on disk", format.bytes(sizeOf(line))],
        ["Quantization", format.text(facts?.quantization)],
        ["Architecture", format.text(facts?.architecture)],
        ["Context", facts?.context_length ? `${format.count(facts.context_length)} tokens` : format.UNKNOWN],
        ["Can", can.length > 0 ? can.join(", ") : format.UNKNOWN],
        ["Memory, measured", format.memory(facts?.memory_bytes)],
        ["Other names", facts && facts.aliases.length > 0 ? facts.aliases.join(", ") : format.UNKNOWN],
        ["Source", format.text(facts?.source)],
        [
          "SHA-256",
          facts?.sha256 ? (
            <Copyable key="sha" text={facts.sha256} shown={`${facts.sha256.slice(0, 16)}…`} />
          ) : (
            "not computed yet"
          ),
        ],
      ]}
    />
  );
}

function Places({
  line,
  hiveId,
  onBring,
}: {
  line: ModelLine;
  hiveId: string;
  onBring: ModelSheetProps["onBring"];
}) {
  const hives = useTable("hives");
  const [target, setTarget] = useState("");
  const there = [...line.cells].sort(([a], [b]) => a.localeCompare(b));
  const others = [...hives.values()].filter(
    (hive) => !line.cells.has(hive.hive_id) && hive.state === "fresh",
  );
  return (
    <section className="flex flex-col gap-2">
      <div className="flex items-center gap-2">
        <h3 className="label flex-1">Where it is</h3>
        {others.length > 0 ? (
          <Select
            label="Bring it to another hive"
            className="w-auto"
            value={target}
            onChange={(hive) => {
              setTarget("");
              onBring(line, hive);
            }}
            options={[
              { value: "", label: "Bring it to …" },
              ...others.map((hive) => ({ value: hive.hive_id, label: hive.hive_id })),
            ]}
          />
        ) : null}
      </div>
      <div className="flex flex-col overflow-hidden rounded-md border">
        {there.map(([id, cell]) => (
          <Place key={id} id={id} cell={cell} hive={hives.get(id)} marked={id === hiveId} modelId={line.id} />
        ))}
      </div>
    </section>
  );
}

function Place({
  id,
  cell,
  hive,
  marked,
  modelId,
}: {
  id: string;
  cell: Cell;
  hive: HiveRow | undefined;
  marked: boolean;
  modelId: string;
}) {
  const row = cell.model;
  const share = cell.kind === "disk" || cell.kind === "loaded" ? null : shareOf(cell.download);
  const reason = cell.download?.reason ?? row?.reason;
  return (
    <div
      className={cn(
        "flex flex-col gap-1.5 border-b px-3 py-2 last:border-b-0",
        marked && "bg-accent-soft [--faint:var(--muted)]",
      )}
    >
      <div className="flex items-center gap-2">
        <CellMark cell={cell} />
        <span className="min-w-0 flex-1 truncate">
          {id} <span className="text-muted">· {wordOf(cell)}</span>
        </span>
        {row?.pinned ? <Badge title="Never removed for room">pinned</Badge> : null}
        {row ? <PlaceActions row={row} cell={cell} hive={hive} modelId={modelId} /> : null}
      </div>
      {share === null ? null : <Progress value={share} label={`${modelId} to ${id}`} />}
      <div className="flex flex-wrap gap-x-4 text-xs text-muted num">
        {reason ? (
          <span className={cell.kind === "failed" || cell.kind === "damaged" ? "text-bad" : undefined}>
            {inWords(`${reason} ${cell.download?.remedy ?? ""}`)}
          </span>
        ) : null}
        {row?.load_s == null ? null : <span>loads in {format.duration(row.load_s)}</span>}
        {row?.memory_bytes == null ? null : <span>held {format.memory(row.memory_bytes)}</span>}
        {row?.last_used_at == null ? null : (
          <span>
            used <Time at={row.last_used_at} />
          </span>
        )}
      </div>
    </div>
  );
}

function PlaceActions({
  row,
  cell,
  hive,
  modelId,
}: {
  row: ModelRow;
  cell: Cell;
  hive: HiveRow | undefined;
  modelId: string;
}) {
  const operator = useSession((session) => session.operator);
  const silent = hive?.state !== "fresh" ? `${row.hive_id} does not answer` : null;
  const may = operator ? silent : "This key may look, not act";
  const noDelete = may ?? (cell.kind === "loaded" ? "a worker holds it: stop that first" : null);
  const freed = row.size_bytes === null ? "" : `: frees ${format.bytes(row.size_bytes)}`;
  const whole = cell.kind === "disk" || cell.kind === "loaded";
  return (
    <span className="inline-flex">
      {whole ? (
        <>
          <Link
            to="/workers"
            search={{ start: modelId, hive: row.hive_id } as never}
            aria-label={`Start a worker of it on ${row.hive_id}`}
            title={`Start a worker of it on ${row.hive_id}`}
            className={cn(buttonClass("ghost", "sm"), "w-7 px-0")}
          >
            <CopyPlus aria-hidden />
          </Link>
          <IconButton
            size="sm"
            label={may ? `Pin: ${may}` : row.pinned ? "Unpin" : "Pin: never remove it for room"}
            icon={row.pinned ? <PinOff /> : <Pin />}
            aria-disabled={may !== null}
            onClick={() => may === null && void pinModel(row, !row.pinned)}
          />
        </>
      ) : null}
      <IconButton
        size="sm"
        label={noDelete ? `Delete: ${noDelete}` : `Delete from ${row.hive_id}${freed}`}
        icon={<Trash2 />}
        aria-disabled={noDelete !== null}
        onClick={() => noDelete === null && void deleteModel(row)}
      />
    </span>
  );
}

function Fits({ line }: { line: ModelLine }) {
  const { plan, problem } = usePlan(line.id);
  return (
    <section className="flex flex-col gap-2">
      <h3 className="label">Where it would run now</h3>
      {plan ? (
        <>
          {/* Why not stands at each of them below. */}
          <p>
            {plan.outcome === "refuse" && plan.options.length > 0
              ? "No hive can start it now."
              : plan.message}
          </p>
          <PlanOptions plan={plan} />
        </>
      ) : problem ? (
        <Notice tone="warn" title={problem.message}>
          {problem.remedy}
        </Notice>
      ) : (
        <p className="text-xs text-muted">Asking the queen …</p>
      )}
    </section>
  );
}
