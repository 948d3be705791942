/** Which hives are shown, and under which headings: pure, so that a hundred of them stay in order. */
import type { HiveRow } from "@/state";
import { format } from "@/ui";

export type Grouping = "" | "label" | "device" | "state";
export type Shown = "all" | "trouble" | "gpu" | "idle";

export interface Group {
  key: string;
  title: string;
  rows: HiveRow[];
}

const collator = new Intl.Collator("en", { numeric: true });

/** The rows under their headings, headings in order; one group without a title when not grouped. */
export function grouped(rows: readonly HiveRow[], by: Grouping): Group[] {
  if (by === "") return [{ key: "all", title: "", rows: [...rows] }];
  const groups = new Map<string, HiveRow[]>();
  for (const row of rows) {
    const title = titleOf(row, by);
    const found = groups.get(title);
    if (found) found.push(row);
    else groups.set(title, [row]);
  }
  return [...groups]
    .map(([title, found]) => ({ key: title, title, rows: found }))
    .sort((a, b) => rank(a.title) - rank(b.title) || collator.compare(a.title, b.title));
}

const LAST = ["No label", "CPU only", "Up"];

function rank(title: string): number {
  return LAST.includes(title) ? 1 : 0;
}

function titleOf(row: HiveRow, by: Grouping): string {
  if (by === "label") return row.labels[0] ?? "No label";
  if (by === "device") return devicesOf(row);
  return row.state === "fresh" ? "Up" : row.state === "degraded" ? "Late beats" : "Down";
}

/** "8 × NVIDIA H100", "GeForce RTX 4090 + RTX 3060", "CPU only". */
export function devicesOf(row: HiveRow): string {
  const counts = new Map<string, number>();
  for (const device of row.devices)
    if (device.device_type !== "cpu") counts.set(device.name, (counts.get(device.name) ?? 0) + 1);
  if (counts.size === 0) return "CPU only";
  return [...counts]
    .map(([name, n]) => (n > 1 ? `${n} × ${format.device(name)}` : format.device(name)))
    .join(" + ");
}

/** "465 / 640 GiB": the unit once, where both have the same. */
export function memoryPair(used: number | null | undefined, total: number | null | undefined): string {
  const [left, right] = [format.memoryMb(used), format.memoryMb(total)];
  const unit = right.split(" ")[1];
  return unit !== undefined && left.endsWith(` ${unit}`)
    ? `${left.slice(0, -unit.length - 1)} / ${right}`
    : `${left} / ${right}`;
}
