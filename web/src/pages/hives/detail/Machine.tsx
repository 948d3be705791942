/** The machine under a hive: CPU, memory, the disk for models. */
import { useRow, useStale, type HiveRow } from "@/state";
import { cn, format } from "@/ui";

import { memoryPair } from "../groups";
import { Reading } from "./Gpus";
import { Section } from "./Section";

const SETS_SHOWN = ["avx2", "avx512f", "amx_int8", "neon", "sve"];

export function Machine({ hive }: { hive: HiveRow }) {
  const node = useRow("nodes", hive.hive_id);
  const stale = useStale("nodes", hive.hive_id);
  const cpu = hive.devices.find((device) => device.device_type === "cpu");
  const sets = cpu?.instruction_sets?.filter((name) => SETS_SHOWN.includes(name.toLowerCase())) ?? [];
  return (
    <Section
      title="Machine"
      note={hive.cpu_cores === null ? undefined : format.plural(hive.cpu_cores, "core")}
    >
      <div className={cn("flex flex-col gap-3 rounded-lg border bg-surface p-3", stale && "stale")}>
        {cpu ? (
          <p className="truncate text-xs text-muted" title={cpu.name}>
            {cpu.name}
            {sets.length > 0 ? ` · ${sets.join(" ")}` : ""}
          </p>
        ) : null}
        <div className="grid grid-cols-1 gap-x-4 gap-y-2 sm:grid-cols-2">
          <Reading
            figure="node.cpu_pct"
            id={hive.hive_id}
            name="CPU"
            max={100}
            color={3}
            value={format.percent(node?.cpu_pct)}
          />
          <Reading
            figure="node.ram_used_mb"
            id={hive.hive_id}
            name="RAM"
            max={node?.ram_total_mb ?? undefined}
            color={2}
            value={memoryPair(node?.ram_used_mb, node?.ram_total_mb)}
          />
        </div>
        <p className="text-xs text-muted num">
          Disk for models: <span className="text-fg">{freeDisk(node?.disk_free_mb)}</span>
        </p>
      </div>
    </Section>
  );
}

function freeDisk(mb: number | null | undefined): string {
  return mb === null || mb === undefined ? format.UNKNOWN : `${format.bytes(mb * 1024 * 1024)} free`;
}
