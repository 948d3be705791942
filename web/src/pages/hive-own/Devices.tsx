/** The devices of this machine: memory in use, load, heat; and why one cannot be used. */
import { RefreshCw } from "lucide-react";
import { useState } from "react";

import { Button, Card, format, Meter, Notice } from "@/ui";

import type { Device, Hive } from "./useHive";

export function Devices({ hive }: { hive: Hive }) {
  const [looking, setLooking] = useState(false);
  const { capabilities } = hive;
  const refresh = async () => {
    setLooking(true);
    await hive.look(true);
    setLooking(false);
  };
  return (
    <Card
      title="Devices"
      note={
        capabilities
          ? `${format.plural(capabilities.cpu_cores, "core")}, ${format.memory(capabilities.total_ram_gb * 1024 ** 3)} RAM`
          : undefined
      }
      actions={
        <Button
          size="sm"
          icon={<RefreshCw />}
          busy={looking && "Looking …"}
          onClick={() => void refresh()}
          title="After a device was added, or a driver installed"
        >
          Look again
        </Button>
      }
    >
      <ul className="grid gap-x-6 gap-y-4 sm:grid-cols-2 xl:grid-cols-3">
        {capabilities?.devices.map((device) => (
          <DeviceItem key={device.id} device={device} />
        ))}
      </ul>
      {capabilities?.device_problems?.map((problem) => (
        <Notice key={problem.vendor} tone="warn" title={`${problem.vendor}: not usable`} className="mt-3">
          {problem.reason}
        </Notice>
      ))}
    </Card>
  );
}

function DeviceItem({ device }: { device: Device }) {
  const used = device.memory_used_mb;
  const total = device.memory_total_mb ?? device.memory_mb;
  const figures = [
    device.util_pct !== null && device.util_pct !== undefined
      ? `${format.percent(device.util_pct)} busy`
      : null,
    device.temp_c !== null && device.temp_c !== undefined ? format.celsius(device.temp_c) : null,
    device.power_w !== null && device.power_w !== undefined ? format.watts(device.power_w) : null,
  ].filter(Boolean);
  return (
    <li className="min-w-0">
      <div className="flex items-baseline gap-2">
        <span className="font-medium">{device.id}</span>
        <span className="truncate text-xs text-muted" title={device.name}>
          {device.name}
        </span>
      </div>
      <Meter
        className="mt-1.5"
        label={`Memory of ${device.id}`}
        used={used}
        total={total}
        text={`${format.memoryMb(used)} of ${format.memoryMb(total)}`}
      />
      {figures.length > 0 ? <p className="mt-1 text-xs text-muted num">{figures.join(" · ")}</p> : null}
      {device.reason ? <p className="mt-1 text-xs text-warn">{device.reason}</p> : null}
    </li>
  );
}
