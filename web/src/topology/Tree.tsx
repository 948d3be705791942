/** The picture of a small colony: queen, hives and workers as cards, and what flows between them. */
import { cn, format } from "@/ui";

import { Flow } from "./Flow";
import { HoneyHex } from "./HoneyHex";
import { flowOf, queenRate, type HiveSpot, type Picture, type WorkerSpot } from "./model";
import { linkPath, type Box, type HiveNode, type TreeLayout } from "./tree";

export interface Open {
  hive: (id: string) => void;
  worker: (id: string) => void;
  /** The form that starts a worker on this hive. */
  start: (hiveId: string) => void;
}

const DOT = { ok: "bg-ok", warn: "bg-warn", bad: "bg-bad", new: "bg-info animate-breathe" };
const CARD =
  "absolute flex min-w-0 items-center text-left transition-colors hover:border-faint hover:bg-hover focus-visible:z-[1]";

export function Tree({ picture, layout, open }: { picture: Picture; layout: TreeLayout; open: Open }) {
  return (
    <div className="relative mx-auto" style={{ width: layout.width, height: layout.height }}>
      <svg
        width={layout.width}
        height={layout.height}
        className="pointer-events-none absolute inset-0 overflow-visible"
        aria-hidden
      >
        {layout.hives.map((node) => (
          <g key={node.hive.id} opacity={node.hive.stale ? 0.45 : 1}>
            <Flow
              d={linkPath(layout.queen, node, layout.narrow)}
              flow={node.hive.stale ? 0 : flowOf(node.hive.tokensPerS)}
              dashed={node.hive.route === "link"}
              broken={node.hive.state === "down"}
            />
            {node.workers.map((spot) => (
              <Flow
                key={spot.worker.id}
                d={linkPath(node, spot, layout.narrow)}
                flow={node.hive.stale || spot.worker.health === "bad" ? 0 : flowOf(spot.worker.tokensPerS)}
                dashed={spot.worker.route === "tunnel"}
                broken={spot.worker.health === "bad"}
              />
            ))}
            {node.moreBox ? (
              <Flow
                d={linkPath(node, node.moreBox, layout.narrow)}
                flow={node.workers.length > 0 || node.hive.stale ? 0 : flowOf(node.hive.tokensPerS)}
              />
            ) : null}
          </g>
        ))}
      </svg>
      <Queen picture={picture} box={layout.queen} />
      {layout.hives.map((node) => (
        <div key={node.hive.id} className={node.hive.stale ? "stale" : undefined}>
          <HiveCard hive={node.hive} box={node} onOpen={open.hive} />
          {node.workers.map((spot) => (
            <Pill key={spot.worker.id} worker={spot.worker} box={spot} onOpen={open.worker} />
          ))}
          <MorePill node={node} open={open} />
        </div>
      ))}
    </div>
  );
}

/** How many more there are; where there are none, the way to start one. */
function MorePill({ node, open }: { node: HiveNode; open: Open }) {
  const { hive, more, moreBox } = node;
  if (!moreBox) return null;
  const isUp = hive.state === "fresh";
  const words =
    more === 0
      ? isUp
        ? "No worker: start one"
        : "No worker"
      : node.workers.length > 0
        ? `${more} more on ${hive.id}`
        : `${format.plural(more, "worker")}, ${hive.busy} requests`;
  return (
    <button
      type="button"
      style={place(moreBox)}
      disabled={more === 0 && !isUp}
      className={cn(
        CARD,
        "rounded-full border border-dashed px-3 text-xs text-muted disabled:cursor-default",
      )}
      onClick={() => (more === 0 ? open.start(hive.id) : open.hive(hive.id))}
    >
      {words}
    </button>
  );
}

function place(box: Box) {
  return { left: box.x, top: box.y, width: box.w, height: box.h };
}

function Queen({ picture, box }: { picture: Picture; box: Box }) {
  const { queen } = picture;
  return (
    <div
      style={place(box)}
      className="absolute flex min-w-0 flex-col justify-center rounded-lg border border-[color-mix(in_srgb,var(--accent)_55%,var(--line))] bg-accent-soft px-3.5"
    >
      <div className="text-xs font-semibold text-accent-text">Queen</div>
      <div className="truncate text-base font-semibold num">{queenRate(picture)}</div>
      <div className="truncate text-2xs text-muted num">
        {queen.running} running · {queen.waiting} waiting
      </div>
    </div>
  );
}

function HiveCard({ hive, box, onOpen }: { hive: HiveSpot; box: Box; onOpen: (id: string) => void }) {
  return (
    <button
      type="button"
      style={place(box)}
      className={cn(
        CARD,
        "gap-2.5 rounded-lg border bg-surface px-3",
        hive.health === "bad" && "border-[color-mix(in_srgb,var(--bad)_50%,var(--line))]",
        hive.health === "warn" && "border-[color-mix(in_srgb,var(--warn)_50%,var(--line))]",
      )}
      onClick={() => onOpen(hive.id)}
      title={hiveWords(hive)}
    >
      <HoneyHex level={hive.honey} health={hive.health} size={30} />
      <span className="min-w-0 flex-1">
        <span className="block truncate text-sm font-semibold">{hive.id}</span>
        <span
          className={cn(
            "block truncate text-2xs num",
            hive.health === "bad" ? "text-bad" : hive.health === "warn" ? "text-warn" : "text-muted",
          )}
        >
          {hive.trouble ?? quietLine(hive)}
        </span>
      </span>
      {hive.honey === null ? null : (
        <span className="text-xs text-muted num">
          {Math.round(hive.honey * 100)} %<span className="sr-only"> loaded</span>
        </span>
      )}
    </button>
  );
}

function quietLine(hive: HiveSpot): string {
  const what = hive.gpus > 0 ? format.plural(hive.gpus, "GPU") : "CPU only";
  const rate = hive.tokensPerS ? ` · ${format.tokensPerS(hive.tokensPerS)}` : "";
  return `${what}${rate}${hive.local ? " · queen’s machine" : hive.outboundOnly ? " · outbound only" : ""}`;
}

function Pill({ worker, box, onOpen }: { worker: WorkerSpot; box: Box; onOpen: (id: string) => void }) {
  const rate =
    worker.status === "ready" || worker.status === "busy"
      ? worker.busy > 0 && worker.tokensPerS
        ? format.tokensPerS(worker.tokensPerS)
        : `${worker.busy}/${worker.slots ?? "–"}`
      : worker.status;
  return (
    <button
      type="button"
      style={place(box)}
      className={cn(CARD, "gap-2 rounded-full border bg-surface px-3")}
      onClick={() => onOpen(worker.id)}
      title={`${workerWords(worker)} (${worker.model})`}
    >
      <span className="sr-only">Worker of</span>
      <span
        className={cn("size-2 shrink-0 rounded-full", worker.busy > 0 ? "bg-accent" : DOT[worker.health])}
        aria-hidden
      />
      <span className="min-w-0 flex-1 truncate text-xs">{worker.short}</span>
      <span className={cn("shrink-0 text-2xs num", worker.health === "bad" ? "text-bad" : "text-muted")}>
        {rate}
      </span>
    </button>
  );
}

/** A hive in words: what a screen reader says, and the line under the honeycomb. */
export function hiveWords(hive: HiveSpot): string {
  const load = hive.honey === null ? "load unknown" : `${Math.round(hive.honey * 100)} % loaded`;
  const parts = [
    hive.id,
    hive.state === "fresh" ? (hive.trouble ?? "") : `${hive.state}: ${hive.trouble ?? ""}`,
    hive.gpus > 0 ? `${format.plural(hive.gpus, "GPU")}, ${load}` : `CPU only, ${load}`,
    format.plural(hive.workers.length, "worker"),
    hive.tokensPerS === null ? "" : format.tokensPerS(hive.tokensPerS),
  ];
  return parts.filter(Boolean).join(" · ");
}

export function workerWords(worker: WorkerSpot): string {
  const slots = worker.slots === null ? "" : `${worker.busy} of ${worker.slots} slots in use`;
  const route = worker.route === null ? "" : `by the ${worker.route} route`;
  return [`Worker of ${worker.model}`, worker.status, slots, route, worker.reason ?? ""]
    .filter(Boolean)
    .join(", ");
}
