/** The cells of the comb: every GPU of every hive, or each machine's processor where no hive has a GPU. Pure. */
import type { HeatGroup } from "@/charts";
import type { GpuFigures, HiveRow, NodeRow } from "@/state";
import { format } from "@/ui";

import { HOT_C } from "../limits";

export type Measure = "load" | "memory" | "heat";

/** From cool to what no card should reach: the ends of the scale of temperatures. */
const COOL_C = 25;
const TOP_C = 90;

export function isSilent(hive: Pick<HiveRow, "state">): boolean {
  return hive.state === "down" || hive.state === "gone";
}

function share(gpu: GpuFigures, measure: Measure): number | null {
  const [, util, used, total, temp] = gpu;
  if (measure === "load") return util === null ? null : util / 100;
  if (measure === "memory") return used === null || !total ? null : used / total;
  return temp === null ? null : (temp - COOL_C) / (TOP_C - COOL_C);
}

function words(gpu: GpuFigures, measure: Measure): string {
  if (measure === "heat") return gpu[4] === null ? "" : String(Math.round(gpu[4]));
  const value = share(gpu, measure);
  return value === null ? "" : String(Math.round(value * 100));
}

const collator = new Intl.Collator("en", { numeric: true });
/** The order of names, kept as long as the same rows are there: sorting each second is work for nothing. */
let sorted: { of: readonly HiveRow[]; order: readonly HiveRow[] } = { of: [], order: [] };

function inOrder(hives: Iterable<HiveRow>): readonly HiveRow[] {
  const of = [...hives];
  const isSame = of.length === sorted.of.length && of.every((hive, at) => hive === sorted.of[at]);
  if (!isSame) sorted = { of, order: [...of].sort((a, b) => collator.compare(a.hive_id, b.hive_id)) };
  return sorted.order;
}

/** One group a hive that has GPUs; by load, memory or heat. */
export function gpuGroups(
  hives: Iterable<HiveRow>,
  nodes: ReadonlyMap<string, NodeRow>,
  measure: Measure,
): HeatGroup[] {
  const groups: HeatGroup[] = [];
  for (const hive of inOrder(hives)) {
    const gpus = nodes.get(hive.hive_id)?.gpus ?? [];
    if (gpus.length === 0) continue;
    const silent = isSilent(hive);
    groups.push({
      id: hive.hive_id,
      label: hive.hive_id,
      stale: silent,
      cells: gpus.map((gpu) => ({
        id: gpu[0],
        value: silent ? null : share(gpu, measure),
        text: words(gpu, measure),
        alarm: !silent && (gpu[4] ?? 0) >= HOT_C,
      })),
    });
  }
  return groups;
}

/** Colonies without a GPU: each hive one cell, filled by its processor's load. */
export function cpuGroups(hives: Iterable<HiveRow>, nodes: ReadonlyMap<string, NodeRow>): HeatGroup[] {
  return inOrder(hives).map((hive) => {
    const load = nodes.get(hive.hive_id)?.cpu_pct ?? null;
    const silent = isSilent(hive);
    return {
      id: hive.hive_id,
      label: hive.hive_id,
      stale: silent,
      cells: [
        {
          id: "cpu",
          value: silent || load === null ? null : load / 100,
          text: load === null ? "" : String(Math.round(load)),
        },
      ],
    };
  });
}

/** What a cell says about itself. */
export function gpuLines(gpu: GpuFigures | undefined): [string, string][] {
  if (!gpu) return [];
  const [, util, used, total, temp, power] = gpu;
  return [
    ["Load", format.percent(util)],
    [
      "VRAM",
      used === null && total === null
        ? format.UNKNOWN
        : `${format.memoryMb(used)} of ${format.memoryMb(total)}`,
    ],
    ["Temperature", format.celsius(temp)],
    ["Power", format.watts(power)],
  ];
}

export interface Sum {
  gpus: number;
  idle: number;
  unknown: number;
  hottest_c: number | null;
}

/** The comb in one line. */
export function sumUp(hives: Iterable<HiveRow>, nodes: ReadonlyMap<string, NodeRow>): Sum {
  const sum: Sum = { gpus: 0, idle: 0, unknown: 0, hottest_c: null };
  for (const hive of hives) {
    for (const gpu of nodes.get(hive.hive_id)?.gpus ?? []) {
      sum.gpus += 1;
      if (isSilent(hive) || gpu[1] === null) sum.unknown += 1;
      else if (gpu[1] < 3) sum.idle += 1;
      if (!isSilent(hive) && gpu[4] !== null) sum.hottest_c = Math.max(sum.hottest_c ?? 0, gpu[4]);
    }
  }
  return sum;
}
