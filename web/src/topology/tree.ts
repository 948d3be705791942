/**
 * Where things stand in the picture of a small colony: queen, hives, workers from left to right;
 * on a phone the same as a trunk with branches. Pure; all lengths in pixels.
 */
import type { HiveSpot, Picture, WorkerSpot } from "./model";

export interface Box {
  x: number;
  y: number;
  w: number;
  h: number;
}

export interface HiveNode extends Box {
  hive: HiveSpot;
  workers: WorkerNode[];
  /** Workers that there is no room for; 0: all are shown. */
  more: number;
  /** Where that is said, or that there are none. */
  moreBox: Box | null;
}

export interface WorkerNode extends Box {
  worker: WorkerSpot;
}

export interface TreeLayout {
  width: number;
  height: number;
  narrow: boolean;
  queen: Box;
  hives: HiveNode[];
}

const QUEEN = { w: 148, h: 76 };
const HIVE_H = 56;
const PILL_H = 30;
/** On a phone it is as high as a finger wants it. */
const PILL_TOUCH_H = 40;
const PHONE_BELOW = 420;
const PILL_GAP = 6;
const HIVE_GAP = 14;
/** How many pills a hive may have, the most first: fewer where the picture would get too high. */
const PILLS_MAX = [6, 4, 2, 1] as const;
/** Below it three columns no longer fit beside each other. */
const NARROW_BELOW = 640;
const TRUNK = 14;

/** The fullest picture that is at most `heightMax` high; null: even the barest is higher. */
export function layoutTree(picture: Picture, width: number, heightMax: number): TreeLayout | null {
  for (const pills of PILLS_MAX) {
    const layout =
      width < NARROW_BELOW ? layoutTrunk(picture, width, pills) : layoutColumns(picture, width, pills);
    if (layout.height <= heightMax) return layout;
  }
  return null;
}

function shownWorkers(hive: HiveSpot, pills: number): { shown: WorkerSpot[]; more: number } {
  if (hive.workers.length <= pills) return { shown: hive.workers, more: 0 };
  // The busy ones and the broken ones say most.
  const weight = (worker: WorkerSpot) => (worker.health === "ok" ? 0 : 2) + (worker.busy > 0 ? 1 : 0);
  const ranked = [...hive.workers].sort((a, b) => weight(b) - weight(a)).slice(0, pills - 1);
  const shown = hive.workers.filter((worker) => ranked.includes(worker));
  return { shown, more: hive.workers.length - shown.length };
}

function layoutColumns(picture: Picture, width: number, pillsMax: number): TreeLayout {
  const hiveW = Math.min(290, Math.max(190, width * 0.27));
  const pillW = Math.min(300, Math.max(180, width * 0.27));
  const pillX = width - pillW;
  const hiveX = QUEEN.w + (pillX - QUEEN.w - hiveW) / 2;
  let y = 0;
  const hives = picture.hives.map((hive): HiveNode => {
    const { shown, more } = shownWorkers(hive, pillsMax);
    const isMore = more > 0 || shown.length === 0;
    const pills = shown.length + (isMore ? 1 : 0);
    const pillsH = pills * (PILL_H + PILL_GAP) - (pills > 0 ? PILL_GAP : 0);
    const h = Math.max(HIVE_H, pillsH);
    const top = y;
    y += h + HIVE_GAP;
    const first = top + (h - pillsH) / 2;
    return {
      hive,
      x: hiveX,
      y: top + (h - HIVE_H) / 2,
      w: hiveW,
      h: HIVE_H,
      workers: shown.map((worker, at) => ({
        worker,
        x: pillX,
        y: first + at * (PILL_H + PILL_GAP),
        w: pillW,
        h: PILL_H,
      })),
      more,
      moreBox: isMore
        ? { x: pillX, y: first + shown.length * (PILL_H + PILL_GAP), w: pillW, h: PILL_H }
        : null,
    };
  });
  const height = Math.max(QUEEN.h, y - HIVE_GAP);
  const queen = { x: 0, y: (height - QUEEN.h) / 2, ...QUEEN };
  return { width, height, narrow: false, queen, hives };
}

function layoutTrunk(picture: Picture, width: number, pillsMax: number): TreeLayout {
  const queen = { x: 0, y: 0, w: Math.min(width, 220), h: 70 };
  const pillH = width < PHONE_BELOW ? PILL_TOUCH_H : PILL_H;
  let y = queen.h + HIVE_GAP;
  const hiveX = TRUNK * 2;
  const pillX = hiveX + TRUNK * 2;
  const hives = picture.hives.map((hive): HiveNode => {
    const { shown, more } = shownWorkers(hive, pillsMax);
    const top = y;
    y += HIVE_H + PILL_GAP;
    const workers = shown.map((worker): WorkerNode => {
      const node = { worker, x: pillX, y, w: width - pillX, h: pillH };
      y += pillH + PILL_GAP;
      return node;
    });
    let moreBox: Box | null = null;
    if (more > 0 || shown.length === 0) {
      moreBox = { x: pillX, y, w: width - pillX, h: pillH };
      y += pillH + PILL_GAP;
    }
    y += HIVE_GAP - PILL_GAP;
    return { hive, x: hiveX, y: top, w: width - hiveX, h: HIVE_H, workers, more, moreBox };
  });
  return { width, height: Math.max(queen.h, y - HIVE_GAP), narrow: true, queen, hives };
}

/** The line from one box to another: a soft curve, or on a phone a corner from the trunk. */
export function linkPath(from: Box, to: Box, narrow: boolean): string {
  if (narrow) {
    const x = from.x + TRUNK;
    const y = to.y + to.h / 2;
    return `M${x},${from.y + from.h}V${y - 6}q0,6 6,6H${to.x}`;
  }
  const x1 = from.x + from.w;
  const y1 = from.y + from.h / 2;
  const y2 = to.y + to.h / 2;
  const bend = (to.x - x1) / 2;
  return `M${x1},${y1}C${x1 + bend},${y1} ${to.x - bend},${y2} ${to.x},${y2}`;
}
