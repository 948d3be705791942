/** The colony in six figures, each a way to the page that says more. */
import { Link } from "@tanstack/react-router";
import { Boxes, Cpu, Gauge, Hexagon, ListOrdered, MemoryStick, Zap } from "lucide-react";
import type { ReactNode } from "react";

import { Sparkline } from "@/charts";
import { useColony, useTable, type HiveRow } from "@/state";
import { cn, format, Meter } from "@/ui";

interface TileProps {
  to: "/hives" | "/workers" | "/requests" | "/models";
  icon: ReactNode;
  label: string;
  /** "54 %": the unit after the last space is set smaller. */
  value: string;
  note: ReactNode;
  tone?: "bad" | "warn";
  children?: ReactNode;
}

function Tile({ to, icon, label, value, note, tone, children }: TileProps) {
  const cut = value.lastIndexOf(" ");
  const [figure, unit] = cut < 0 ? [value, ""] : [value.slice(0, cut), value.slice(cut + 1)];
  return (
    <Link
      to={to}
      className="group flex min-w-0 flex-col bg-surface px-3.5 py-2.5 sm:p-3.5 transition-colors hover:bg-hover focus-visible:z-[1] focus-visible:-outline-offset-2"
    >
      <span className="flex items-center gap-1.5 text-xs text-muted [&_svg]:size-3.5 [&_svg]:text-faint">
        {icon}
        {label}
      </span>
      <span className="mt-1 flex items-baseline gap-1 num">
        <span className="text-2xl font-semibold tracking-tight">{figure}</span>
        {unit ? <span className="text-sm text-muted">{unit}</span> : null}
      </span>
      <span
        className={cn(
          "truncate text-xs num",
          tone === "bad" ? "text-bad" : tone === "warn" ? "text-warn" : "text-faint",
        )}
      >
        {note}
      </span>
      <span className="mt-1.5 flex h-6 items-end sm:mt-2.5">{children}</span>
    </Link>
  );
}

/** Hives by state as one bar: what answers, what hesitates, what is away. */
function Shares({ parts }: { parts: readonly { count: number; className: string }[] }) {
  const total = parts.reduce((sum, part) => sum + part.count, 0);
  if (total === 0) return <span className="h-1.5 w-full rounded-full bg-raised" aria-hidden />;
  return (
    <span className="flex h-1.5 w-full gap-0.5 overflow-hidden rounded-full" aria-hidden>
      {parts
        .filter((part) => part.count > 0)
        .map((part) => (
          <span key={part.className} className={part.className} style={{ flex: part.count }} />
        ))}
    </span>
  );
}

function hiveCounts(hives: Iterable<HiveRow>): { ok: number; late: number; away: number } {
  const counts = { ok: 0, late: 0, away: 0 };
  for (const hive of hives) {
    if (hive.state === "fresh") counts.ok += 1;
    else if (hive.state === "degraded") counts.late += 1;
    else counts.away += 1;
  }
  return counts;
}

function HivesTile() {
  const { ok, late, away } = hiveCounts(useTable("hives").values());
  const total = ok + late + away;
  return (
    <Tile
      to="/hives"
      icon={<Hexagon />}
      label="Hives"
      value={format.count(total)}
      note={
        away > 0
          ? `${format.count(away)} silent`
          : late > 0
            ? `${format.count(late)} late`
            : total > 0
              ? "all answer"
              : "none yet"
      }
      {...(away > 0 ? { tone: "bad" as const } : late > 0 ? { tone: "warn" as const } : {})}
    >
      <Shares
        parts={[
          { count: ok, className: "bg-ok" },
          { count: late, className: "bg-warn" },
          { count: away, className: "bg-bad" },
        ]}
      />
    </Tile>
  );
}

function WorkersTile() {
  const rows = [...useTable("workers").values()];
  const ready = rows.filter((row) => row.serving).length;
  const failed = rows.filter((row) => row.status === "error").length;
  const starting = rows.filter((row) => row.status === "starting").length;
  const note = [
    failed > 0 && `${format.count(failed)} failed`,
    starting > 0 && `${format.count(starting)} starting`,
    `of ${format.count(rows.length)}`,
  ];
  return (
    <Tile
      to="/workers"
      icon={<Boxes />}
      label="Workers ready"
      value={format.count(ready)}
      note={rows.length === 0 ? "none runs" : note.filter(Boolean).join(" · ")}
      {...(failed > 0 ? { tone: "bad" as const } : {})}
    >
      <Shares
        parts={[
          { count: ready, className: "bg-ok" },
          { count: starting, className: "bg-info" },
          { count: failed, className: "bg-bad" },
          { count: rows.length - ready - starting - failed, className: "bg-line-strong" },
        ]}
      />
    </Tile>
  );
}

/** The processors' mean load, for colonies without a GPU. */
function CpuTile() {
  const hives = useTable("hives");
  const known = [...useTable("nodes").values()].map((node) => node.cpu_pct).filter((load) => load !== null);
  const mean = known.length > 0 ? known.reduce((sum, load) => sum + load, 0) / known.length : null;
  const first = hives.keys().next().value;
  return (
    <Tile
      to="/hives"
      icon={<Cpu />}
      label="Processor load"
      value={format.percent(mean)}
      note={hives.size > 1 ? `mean of ${format.plural(hives.size, "hive")}` : (first ?? "no hive")}
    >
      {hives.size === 1 && first ? (
        <Sparkline figure="node.cpu_pct" id={first} label="Processor load" max={100} fill />
      ) : (
        <Meter used={mean} total={100} label="Processor load" className="w-full" />
      )}
    </Tile>
  );
}

function RamTile() {
  let used = 0;
  let total = 0;
  for (const node of useTable("nodes").values()) {
    used += node.ram_used_mb ?? 0;
    total += node.ram_used_mb === null ? 0 : (node.ram_total_mb ?? 0);
  }
  return (
    <Tile
      to="/hives"
      icon={<MemoryStick />}
      label="Memory used"
      value={total > 0 ? format.memoryMb(used) : format.UNKNOWN}
      note={total > 0 ? `of ${format.memoryMb(total)}` : "unknown"}
    >
      <Meter used={total > 0 ? used : null} total={total} label="Memory used" className="w-full" />
    </Tile>
  );
}

export function Tiles() {
  const colony = useColony();
  const gpus = colony?.gpus ?? 0;
  return (
    <section
      aria-label="The colony in figures"
      className="grid grid-cols-2 gap-px overflow-hidden rounded-lg border bg-line sm:grid-cols-3 xl:grid-cols-6"
    >
      <HivesTile />
      <WorkersTile />
      {gpus > 0 ? (
        <>
          <Tile
            to="/hives"
            icon={<Gauge />}
            label="GPU load"
            value={format.percent(colony?.gpu_util_pct)}
            note={`mean of ${format.plural(gpus, "GPU")}`}
          >
            <Sparkline figure="colony.gpu_util_pct" id="queen" label="GPU load in percent" max={100} fill />
          </Tile>
          <Tile
            to="/hives"
            icon={<MemoryStick />}
            label="VRAM used"
            value={format.memoryMb(colony?.vram_used_mb)}
            note={`of ${format.memoryMb(colony?.vram_total_mb)}`}
          >
            <Meter
              used={colony?.vram_used_mb}
              total={colony?.vram_total_mb}
              label="VRAM used"
              alarm={false}
              className="w-full"
            />
          </Tile>
        </>
      ) : (
        <>
          <CpuTile />
          <RamTile />
        </>
      )}
      <Tile
        to="/workers"
        icon={<Zap />}
        label="Tokens a second"
        value={rounded(colony?.tokens_per_s)}
        note={`${format.count(colony?.running)} running`}
      >
        <Sparkline figure="colony.tokens_per_s" id="queen" label="Tokens a second" fill />
      </Tile>
      <Tile
        to="/requests"
        icon={<ListOrdered />}
        label="Requests waiting"
        value={format.count(colony?.waiting)}
        note={`${format.count(colony?.requests_total)} so far${colony?.requests_failed_total ? ` · ${format.count(colony.requests_failed_total)} failed` : ""}`}
      >
        <Sparkline figure="colony.waiting" id="queen" label="Requests waiting" color={2} fill />
      </Tile>
    </section>
  );
}

function rounded(tokens: number | null | undefined): string {
  return tokens === null || tokens === undefined
    ? format.UNKNOWN
    : tokens >= 100_000
      ? format.short(tokens)
      : format.count(tokens);
}
