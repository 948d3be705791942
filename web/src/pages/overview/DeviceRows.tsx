/** The devices of a small colony, each a row with its name and figures; many of them are the comb (CombCard). */
import { Link } from "@tanstack/react-router";

import { Sparkline } from "@/charts";
import { useTable, type GpuFigures, type HiveRow, type NodeRow } from "@/state";
import { Card, cn, format, Meter } from "@/ui";

import { isSilent } from "./gpus";

/** Those that say nothing stand last: there is nothing to read. */
const BY_NAME = new Intl.Collator("en", { numeric: true });

interface Device {
  hive: HiveRow;
  node: NodeRow | undefined;
  name: string;
  /** Undefined for a processor. */
  gpu?: GpuFigures;
}

function devicesOf(hives: Iterable<HiveRow>, nodes: ReadonlyMap<string, NodeRow>): Device[] {
  const found: Device[] = [];
  for (const hive of hives) {
    const node = nodes.get(hive.hive_id);
    const gpus = node?.gpus ?? [];
    const named = (id: string) => format.device(hive.devices.find((device) => device.id === id)?.name ?? id);
    for (const gpu of gpus) found.push({ hive, node, name: named(gpu[0]), gpu });
    if (gpus.length === 0) {
      const cpu = hive.devices.find((device) => device.device_type === "cpu");
      found.push({ hive, node, name: format.device(cpu?.name ?? "Processor") });
    }
  }
  return found;
}

function Row({ device: { hive, node, name, gpu } }: { device: Device }) {
  const silent = isSilent(hive);
  const load = silent ? null : gpu ? gpu[1] : node?.cpu_pct;
  const [used, total] = gpu ? [gpu[2], gpu[3]] : [node?.ram_used_mb, node?.ram_total_mb];
  return (
    <li className={cn("border-b last:border-b-0", silent && "stale")}>
      <Link
        to="/hives"
        search={{ hive: hive.hive_id } as never}
        className="grid grid-cols-[minmax(0,1fr)_auto] items-center gap-x-4 gap-y-2 px-3.5 py-2.5 hover:bg-hover focus-visible:-outline-offset-2 sm:grid-cols-[minmax(0,1.1fr)_minmax(0,1fr)_minmax(0,1.3fr)_5.5rem]"
      >
        <span className="min-w-0">
          <span className="block truncate font-medium" title={name}>
            {name}
          </span>
          <span className="block truncate text-xs text-faint">
            {hive.hive_id}
            {gpu ? ` · ${gpu[0]}` : ""}
            {silent ? " · silent" : ""}
          </span>
        </span>
        <span className="flex items-center justify-end gap-2 sm:justify-start">
          <Sparkline
            figure={gpu ? "gpu.util_pct" : "node.cpu_pct"}
            id={gpu ? `${hive.hive_id}/${gpu[0]}` : hive.hive_id}
            label={`Load of ${name}`}
            max={100}
            width={72}
            height={22}
          />
          <span className="w-11 text-right font-medium num">{format.percent(load)}</span>
        </span>
        <Meter
          className="max-sm:col-span-2"
          used={silent ? null : used}
          total={total}
          label={gpu ? `VRAM of ${name}` : `Memory of ${hive.hive_id}`}
          text={`${format.memoryMb(silent ? null : used)} of ${format.memoryMb(total)}`}
        />
        <span className="text-right text-xs text-muted num max-sm:hidden">
          {gpu
            ? silent
              ? format.UNKNOWN
              : `${format.celsius(gpu[4])} · ${format.watts(gpu[5])}`
            : `${format.count(hive.cpu_cores)} cores`}
        </span>
      </Link>
    </li>
  );
}

export function DeviceRows({ className }: { className?: string }) {
  const hives = [...useTable("hives").values()].sort(
    (a, b) => Number(isSilent(a)) - Number(isSilent(b)) || BY_NAME.compare(a.hive_id, b.hive_id),
  );
  const devices = devicesOf(hives, useTable("nodes"));
  const gpus = devices.filter((device) => device.gpu).length;
  return (
    <Card
      title="Devices"
      note={gpus > 0 ? format.plural(gpus, "GPU") : "no GPU: models run on the processor"}
      padded={false}
      className={className ?? ""}
    >
      <ul>
        {devices.map((device) => (
          <Row key={`${device.hive.hive_id} ${device.gpu?.[0] ?? "cpu"}`} device={device} />
        ))}
      </ul>
    </Card>
  );
}
