/** The figures at the pages' names: how much waits there for someone (join requests, downloads under way). */
import { useEffect } from "react";

import { useTable, type DownloadRow } from "@/state";
import { setTitleProgress } from "@/ui";

import type { Place } from "./places";

export type Marks = Partial<Record<Place["path"], { count: number; title: string }>>;

export function useMarks(): Marks {
  const joins = useTable("joins").size;
  const downloads = [...useTable("downloads").values()].filter((row) => row.state !== "failed").length;
  return {
    ...(joins > 0 && {
      "/hives": { count: joins, title: joins === 1 ? "hive waits for approval" : "hives wait for approval" },
    }),
    ...(downloads > 0 && {
      "/models": { count: downloads, title: downloads === 1 ? "download under way" : "downloads under way" },
    }),
  };
}

/** The share of all running downloads together: "↓ 42 %"; "" when none runs, "↓" while no size is known. */
export function downloadProgress(rows: Iterable<Pick<DownloadRow, "state" | "bytes" | "total">>): string {
  let bytes = 0;
  let total = 0;
  let running = 0;
  for (const row of rows) {
    if (row.state !== "running") continue;
    running += 1;
    if (row.total === null) continue;
    bytes += row.bytes;
    total += row.total;
  }
  if (running === 0) return "";
  return total > 0 ? `↓ ${Math.floor((100 * bytes) / total)} %` : "↓";
}

/** Keeps the progress of downloads in the tab's title, for those who wait in another tab. */
export function useTitleProgress(): void {
  const rows = useTable("downloads");
  useEffect(() => setTitleProgress(downloadProgress(rows.values())), [rows]);
}
