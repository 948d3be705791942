/** The list itself: one table, or one under each heading; all of them virtual. */
import { useMemo } from "react";

import { getRow, isStale, serverNow, useTable, type HiveRow } from "@/state";
import { Button, Card, Empty, Table } from "@/ui";

import { COLUMNS } from "./columns";
import { grouped, type Grouping, type Shown } from "./groups";
import { troublesOf } from "./troubles";
import { workersOf } from "./workersOf";

export interface HiveListProps {
  query: string;
  shown: Shown;
  group: Grouping;
  open: string;
  onOpen: (hiveId: string) => void;
  onClear: () => void;
}

/** A column of dashes tells nobody anything. */
const UNLABELLED = COLUMNS.filter((column) => column.id !== "labels");
const SORT = { id: "hive", desc: false };

export function HiveList({ query, shown, group, open, onOpen, onClear }: HiveListProps) {
  const hives = useTable("hives");
  const workers = useTable("workers");
  const groups = useMemo(() => {
    const rows = [...hives.values()].filter((hive) => passes(hive, shown) && holds(hive, query));
    return grouped(rows, group);
    // eslint-disable-next-line react-hooks/exhaustive-deps -- a worker that fails is its hive's trouble
  }, [hives, workers, shown, query, group]);
  const columns = useMemo(
    () => ([...hives.values()].some((hive) => hive.labels.length > 0) ? COLUMNS : UNLABELLED),
    [hives],
  );
  if (groups.every((each) => each.rows.length === 0))
    return (
      <Card>
        <Empty
          title={shown === "trouble" && query === "" ? "No hive is in trouble" : "No hive is like that"}
          text={
            shown === "trouble" && query === ""
              ? "All of them beat, and all of their devices can be used."
              : "None of them holds these words, or passes this filter."
          }
          action={<Button onClick={onClear}>Show all hives</Button>}
        />
      </Card>
    );
  return (
    <>
      {groups.map((each) => (
        <Card
          key={each.key}
          padded={false}
          title={each.title || undefined}
          note={each.title ? `${each.rows.length}` : undefined}
        >
          <Table
            label={each.title ? `Hives: ${each.title}` : "Hives"}
            rows={each.rows}
            columns={columns}
            rowId={idOf}
            onOpen={(hive) => onOpen(hive.hive_id)}
            selected={open || null}
            defaultSort={SORT}
            rowClass={staleClass}
          />
        </Card>
      ))}
    </>
  );
}

const idOf = (hive: HiveRow) => hive.hive_id;
const staleClass = (hive: HiveRow) =>
  isStale("hives", hive.hive_id) && hive.state === "fresh" ? "stale" : undefined;

const searched = COLUMNS.find((column) => column.text)?.text;

function holds(hive: HiveRow, query: string): boolean {
  const found = searched?.(hive)?.toLowerCase() ?? "";
  return query
    .toLowerCase()
    .split(/\s+/)
    .every((word) => found.includes(word));
}

function passes(hive: HiveRow, shown: Shown): boolean {
  switch (shown) {
    case "gpu":
      return hive.devices.some((device) => device.device_type !== "cpu");
    case "idle":
      return hive.workers === 0;
    case "trouble":
      return troublesOf(hive, {
        beatAt: getRow("nodes", hive.hive_id)?.beat_at ?? null,
        diskFreeMb: getRow("nodes", hive.hive_id)?.disk_free_mb ?? null,
        queenVersion: getRow("colony", "queen")?.version ?? null,
        now: serverNow(),
        workers: workersOf(hive.hive_id),
      }).some((each) => each.tone !== "info");
    default:
      return true;
  }
}
