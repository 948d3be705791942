/** The GPUs of a hive: a card each, with what it does now and did in the last ten minutes. */
import { Sparkline } from "@/charts";
import { useRow, useStale, type DeviceFacts, type Figure, type GpuFigures, type HiveRow } from "@/state";
import { Badge, cn, format, Meter } from "@/ui";

import { WARM_C } from "../../limits";
import { memoryPair } from "../groups";
import { Section } from "./Section";
import { useSpan } from "./span";

export function Gpus({ hive }: { hive: HiveRow }) {
  const node = useRow("nodes", hive.hive_id);
  const gpus = hive.devices.filter((device) => device.device_type !== "cpu");
  if (gpus.length === 0)
    return (
      <Section title="GPUs">
        <p className="text-muted">
          None that this hive can use: models run on its CPU.{" "}
          {hive.device_problems.length > 0 ? "What is in the way stands above." : ""}
        </p>
      </Section>
    );
  const figures = new Map(node?.gpus.map((gpu) => [gpu[0], gpu]));
  const watts = node?.gpus.map((gpu) => gpu[5]).filter((power) => power !== null) ?? [];
  const total = watts.length > 0 ? `${format.watts(watts.reduce((a, b) => a + b, 0))} together` : "";
  return (
    <Section title="GPUs" note={[format.plural(gpus.length, "device"), total].filter(Boolean).join(" · ")}>
      <div
        className={cn(
          "grid grid-cols-1 gap-3 sm:grid-cols-2",
          (gpus.length === 3 || gpus.length > 4) && "lg:grid-cols-3",
        )}
      >
        {gpus.map((device) => (
          <GpuCard key={device.id} hiveId={hive.hive_id} device={device} now={figures.get(device.id)} />
        ))}
      </div>
    </Section>
  );
}

function GpuCard({
  hiveId,
  device,
  now,
}: {
  hiveId: string;
  device: DeviceFacts;
  now: GpuFigures | undefined;
}) {
  const stale = useStale("nodes", hiveId);
  const [, util = null, used = null, told = null, temp = null, power = null] = now ?? [];
  const total = told ?? device.memory_mb;
  const id = `${hiveId}/${device.id}`;
  return (
    <article
      aria-label={`${device.name}, ${device.id}`}
      className={cn("flex min-w-0 flex-col gap-2.5 rounded-lg border bg-surface p-3", stale && "stale")}
    >
      <header className="flex items-baseline gap-2">
        <h4 className="min-w-0 flex-1 truncate text-sm font-medium" title={device.name}>
          {format.device(device.name)}
        </h4>
        <span className="font-mono text-2xs text-faint">{device.id}</span>
      </header>
      {device.reason ? (
        <Badge tone="warn" className="self-start">
          cannot be used
        </Badge>
      ) : null}
      <Meter
        used={used}
        total={total}
        label={`Video memory of ${device.id}`}
        text={memoryPair(used, total)}
        alarm={false}
      />
      <div className="grid grid-cols-2 gap-x-3 gap-y-2">
        <Reading figure="gpu.util_pct" id={id} name="Load" max={100} value={format.percent(util)} />
        <Reading
          figure="gpu.used_mb"
          id={id}
          name="VRAM"
          max={total ?? undefined}
          color={2}
          value={format.memoryMb(used)}
        />
        <Reading
          figure="gpu.temp_c"
          id={id}
          name="Temperature"
          max={100}
          color={5}
          value={format.celsius(temp)}
          warn={temp !== null && temp >= WARM_C}
        />
        <Reading figure="gpu.power_w" id={id} name="Power" color={4} value={format.watts(power)} />
      </div>
      <p className="truncate text-2xs text-faint num">
        {[kindOf(device), device.driver].filter(Boolean).join(" · ")}
      </p>
    </article>
  );
}

function kindOf(device: DeviceFacts): string {
  const kind = device.device_type.toUpperCase();
  return device.compute_capability ? `${kind} ${device.compute_capability}` : kind;
}

export function Reading({
  figure,
  id,
  name,
  value,
  warn = false,
  max,
  color,
}: {
  figure: Figure;
  id: string;
  name: string;
  value: string;
  warn?: boolean;
  /** The top of the scale; without it the largest value in sight. */
  max?: number | undefined;
  color?: number;
}) {
  const span_s = useSpan();
  return (
    <div className="min-w-0">
      <div className="flex items-baseline justify-between gap-2">
        <span className="text-2xs text-muted">{name}</span>
        <span className={cn("text-xs font-medium num", warn && "text-warn")}>{value}</span>
      </div>
      <Sparkline
        figure={figure}
        id={id}
        label={`${name} in the last minutes`}
        span_s={span_s}
        fill
        height={28}
        {...(max === undefined ? {} : { max })}
        {...(color === undefined ? {} : { color })}
      />
    </div>
  );
}
