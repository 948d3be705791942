/** All GPUs of the colony as a comb: by load, memory or heat; a cell leads to its hive. */
import { useNavigate } from "@tanstack/react-router";
import { useCallback } from "react";

import { useUrlState } from "@/app";
import { HeatMap, usePalette, type HeatCell, type HeatGroup } from "@/charts";
import { getRow, getTable, useTable } from "@/state";
import { Card, format, Segmented } from "@/ui";

import { cpuGroups, gpuGroups, gpuLines, sumUp, type Measure } from "./gpus";

const MEASURES = [
  { value: "load", label: "Load" },
  { value: "memory", label: "VRAM" },
  { value: "heat", label: "Heat" },
] as const;
const ENDS: Record<Measure, [string, string]> = {
  load: ["0", "100 %"],
  memory: ["0", "100 %"],
  heat: ["25", "90 °C"],
};

function Legend({ measure }: { measure: Measure }) {
  const { heat } = usePalette();
  const [from, to] = ENDS[measure];
  return (
    <span
      className="hidden shrink-0 items-center gap-1.5 whitespace-nowrap text-2xs text-faint num sm:flex"
      aria-hidden
    >
      {from}
      <span
        className="h-1.5 w-20 rounded-full"
        style={{ background: `linear-gradient(to right, ${heat.join(", ")})` }}
      />
      {to}
    </span>
  );
}

export function CombCard({ className }: { className?: string }) {
  const navigate = useNavigate();
  const [chosen, setMeasure] = useUrlState("measure", "load");
  const measure: Measure = chosen === "memory" || chosen === "heat" ? chosen : "load";
  const hives = useTable("hives");
  const sum = sumUp(hives.values(), useTable("nodes"));
  const hasGpus = sum.gpus > 0;

  const read = useCallback(() => {
    const [all, nodes] = [getTable("hives").values(), getTable("nodes")];
    return hasGpus ? gpuGroups(all, nodes, measure) : cpuGroups(all, nodes);
  }, [hasGpus, measure]);
  const describe = useCallback((group: HeatGroup, cell: HeatCell) => {
    const node = getRow("nodes", group.id);
    const device = getRow("hives", group.id)?.devices.find((each) => each.id === cell.id);
    const figures = node?.gpus.find((gpu) => gpu[0] === cell.id);
    const lines: [string, string][] = figures ? gpuLines(figures) : [["Load", format.percent(node?.cpu_pct)]];
    if (device) lines.unshift(["Device", format.device(device.name)]);
    return { title: `${group.label} · ${cell.id}${group.stale ? " · silent" : ""}`, lines };
  }, []);

  const note = hasGpus
    ? [
        format.plural(sum.gpus, "GPU"),
        sum.idle > 0 && `${format.count(sum.idle)} idle`,
        sum.unknown > 0 && `${format.count(sum.unknown)} unknown`,
        sum.hottest_c !== null && `hottest ${format.celsius(sum.hottest_c)}`,
      ]
        .filter(Boolean)
        .join(" · ")
    : format.plural(hives.size, "machine");
  return (
    <Card
      title={hasGpus ? "GPUs" : "Processors"}
      note={note}
      className={className ?? ""}
      actions={
        <>
          <Legend measure={hasGpus ? measure : "load"} />
          {hasGpus ? (
            <Segmented label="What the comb shows" value={measure} onChange={setMeasure} options={MEASURES} />
          ) : null}
        </>
      }
    >
      <HeatMap
        label={`${hasGpus ? "GPUs" : "Processors"}: ${note}`}
        read={read}
        describe={describe}
        onOpen={(group) => void navigate({ to: "/hives", search: { hive: group.id } as never })}
      />
    </Card>
  );
}
