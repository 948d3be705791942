/** The columns of the list of hives. */
import { getRow, type HiveRow } from "@/state";
import { honeyOf } from "@/topology";
import { Badge, format, type Column } from "@/ui";

import {
  BeatCell,
  CpuCell,
  GpusCell,
  NameCell,
  RamCell,
  RateCell,
  rateOf,
  StateCell,
  VramCell,
  vramOf,
} from "./cells";
import { devicesOf } from "./groups";

const LABELS_SHOWN = 2;

export const COLUMNS: readonly Column<HiveRow>[] = [
  {
    id: "hive",
    header: "Hive",
    cell: (hive) => <NameCell hive={hive} />,
    sort: (hive) => hive.hive_id,
    // Everything by which one looks for a machine.
    text: (hive) =>
      [hive.hive_id, hive.hostname, hive.address, devicesOf(hive), hive.version, ...hive.labels].join(" "),
    width: "minmax(170px,1.6fr)",
    card: "title",
  },
  {
    id: "state",
    header: "State",
    cell: (hive) => <StateCell hive={hive} />,
    sort: (hive) => hive.state,
    width: "minmax(92px,1.5fr)",
    card: "corner",
  },
  {
    id: "gpus",
    header: "GPUs",
    cell: (hive) => <GpusCell hive={hive} />,
    sort: (hive) => honeyOf(getRow("nodes", hive.hive_id)),
    width: "minmax(150px,1.2fr)",
  },
  {
    id: "vram",
    header: "VRAM",
    cell: (hive) => <VramCell hive={hive} />,
    sort: (hive) => vramOf(hive.hive_id).used,
    width: "minmax(150px,1.2fr)",
    card: "wide",
    hideBelow: "lg",
  },
  {
    id: "labels",
    header: "Labels",
    cell: (hive) => <Labels labels={hive.labels} />,
    width: "minmax(80px,0.8fr)",
    hideBelow: "xl",
  },
  {
    id: "cpu",
    header: "CPU",
    cell: (hive) => <CpuCell hive={hive} />,
    sort: (hive) => getRow("nodes", hive.hive_id)?.cpu_pct,
    width: "56px",
    align: "right",
  },
  {
    id: "ram",
    header: "RAM",
    cell: (hive) => <RamCell hive={hive} />,
    sort: (hive) => getRow("nodes", hive.hive_id)?.ram_used_mb,
    width: "56px",
    align: "right",
  },
  {
    id: "workers",
    header: "Workers",
    cell: (hive) => format.count(hive.workers),
    sort: (hive) => hive.workers,
    width: "68px",
    align: "right",
  },
  {
    id: "rate",
    header: "Tokens",
    cell: (hive) => <RateCell hive={hive} />,
    sort: (hive) => rateOf(hive.hive_id),
    width: "92px",
    align: "right",
  },
  {
    id: "beat",
    header: "Beat",
    cell: (hive) => <BeatCell hive={hive} />,
    width: "72px",
    align: "right",
    hideBelow: "lg",
    card: false,
  },
];

function Labels({ labels }: { labels: readonly string[] }) {
  if (labels.length === 0) return <span className="text-faint">{format.UNKNOWN}</span>;
  return (
    <span className="flex gap-1 overflow-hidden" title={labels.join(", ")}>
      {labels.slice(0, LABELS_SHOWN).map((label) => (
        <Badge key={label}>{label}</Badge>
      ))}
      {labels.length > LABELS_SHOWN ? <Badge>+{labels.length - LABELS_SHOWN}</Badge> : null}
    </span>
  );
}
