/**
 * The colony, live: the queen, her hives, their workers, and how much flows to each.
 *
 * A small colony is drawn as a tree, a large one as a honeycomb; which one, the room that there is
 * decides. Everything in it can be reached by keyboard, and read as a list instead.
 */
import "./topology.css";

import { Link, useNavigate } from "@tanstack/react-router";
import { Hexagon, List, Plus } from "lucide-react";
import { useCallback, useLayoutEffect, useMemo, useRef, useState } from "react";

import { useColony, useConnection, useTable } from "@/state";
import { buttonClass, IconButton } from "@/ui";

import { Comb } from "./Comb";
import { layoutComb } from "./comb";
import { pictureOf, sentenceOf, type Picture } from "./model";
import { TextView } from "./TextView";
import { hiveWords, Tree, type Open } from "./Tree";
import { layoutTree } from "./tree";

export interface TopologyProps {
  /** How high the picture may get before it becomes a honeycomb, in pixels. */
  heightMax?: number;
}

const HEIGHT_MAX = 480;

export function Topology({ heightMax = HEIGHT_MAX }: TopologyProps) {
  const picture = usePicture();
  const [asText, setAsText] = useState(false);
  const [pointedId, setPointed] = useState<string | null>(null);
  // Looked up, so that its figures in the line below go on while it is pointed at.
  const pointed = picture.hives.find((hive) => hive.id === pointedId);
  const { box, width } = useWidth();
  const open = useOpen();
  return (
    <figure className="relative m-0 min-w-0" aria-label={sentenceOf(picture)}>
      <div ref={box} className="min-w-0">
        {asText ? (
          <TextView picture={picture} open={open} />
        ) : width === 0 ? null : picture.hives.length === 0 ? (
          <NoHive />
        ) : (
          <Drawing picture={picture} width={width} heightMax={heightMax} open={open} onPoint={setPointed} />
        )}
      </div>
      {picture.hives.length === 0 ? null : (
        <figcaption className="mt-3 flex min-h-7 items-center gap-3 text-2xs text-muted num">
          <span className="min-w-0 flex-1 truncate">{pointed ? hiveWords(pointed) : <Legend />}</span>
          <IconButton
            label={asText ? "Show the picture" : "Show as a list"}
            icon={asText ? <Hexagon /> : <List />}
            size="sm"
            aria-pressed={asText}
            onClick={() => setAsText(!asText)}
          />
        </figcaption>
      )}
    </figure>
  );
}

interface DrawingProps {
  picture: Picture;
  width: number;
  heightMax: number;
  open: Open;
  onPoint: (hiveId: string | null) => void;
}

function Drawing({ picture, width, heightMax, open, onPoint }: DrawingProps) {
  const tree = useMemo(() => layoutTree(picture, width, heightMax), [picture, width, heightMax]);
  const isTree = tree !== null;
  const count = picture.hives.length;
  const comb = useMemo(
    () => (isTree ? null : layoutComb(count, width, heightMax)),
    [isTree, count, width, heightMax],
  );
  if (tree) return <Tree picture={picture} layout={tree} open={open} />;
  if (!comb) return null;
  return <Comb picture={picture} layout={comb} onOpen={open.hive} onPoint={onPoint} />;
}

function usePicture(): Picture {
  const colony = useColony();
  const hives = useTable("hives");
  const nodes = useTable("nodes");
  const workers = useTable("workers");
  const loads = useTable("loads");
  const lost = useConnection().state === "lost";
  return useMemo(
    () => pictureOf({ colony, hives, nodes, workers, loads }, lost),
    [colony, hives, nodes, workers, loads, lost],
  );
}

function useOpen(): Open {
  const navigate = useNavigate();
  const hive = useCallback(
    (id: string) => void navigate({ to: "/hives", search: { hive: id } as never }),
    [navigate],
  );
  const worker = useCallback(
    (id: string) => void navigate({ to: "/workers", search: { worker: id } as never }),
    [navigate],
  );
  const start = useCallback(
    (id: string) => void navigate({ to: "/workers", search: { start: "new", hive: id } as never }),
    [navigate],
  );
  return useMemo(() => ({ hive, worker, start }), [hive, worker, start]);
}

/** The room that there is; whole pixels, so that nothing is laid out anew for a fraction. */
function useWidth() {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return undefined;
    const measure = () => setWidth(Math.floor(element.clientWidth));
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return { box, width };
}

function Legend() {
  return (
    <span className="flex flex-wrap items-center gap-x-4 gap-y-0.5">
      <span>Honey: load of the GPUs, else of the CPU</span>
      <span className="flex items-center gap-1.5">
        <span className="h-0 w-4 border-t-2 border-accent" aria-hidden /> tokens flow
      </span>
      <span className="hidden items-center gap-1.5 sm:flex">
        <span className="h-0 w-4 border-t-2 border-dashed border-line-strong" aria-hidden /> through the
        hive&rsquo;s link
      </span>
    </span>
  );
}

function NoHive() {
  return (
    <div className="flex flex-col items-center justify-center gap-3 py-10 text-center">
      <div className="flex items-center gap-3" aria-hidden>
        <span className="rounded-lg border border-[color-mix(in_srgb,var(--accent)_55%,var(--line))] bg-accent-soft px-4 py-3 text-xs font-semibold text-accent-text">
          Queen
        </span>
        <span className="w-14 border-t-2 border-dashed border-line-strong" />
        <span className="rounded-lg border border-dashed border-line-strong px-4 py-3 text-xs text-faint">
          a hive
        </span>
      </div>
      <p className="max-w-sm text-muted">
        The queen is alone: nothing here can run a model yet. A hive is a machine that can.
      </p>
      <Link to="/hives" search={{ add: "token" } as never} className={buttonClass("primary")}>
        <Plus aria-hidden /> Add a hive
      </Link>
    </div>
  );
}
