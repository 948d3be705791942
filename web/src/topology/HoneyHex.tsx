/** A hexagon that fills with honey: how loaded a hive is, at a glance. Null: not told, and hatched. */
import { useId } from "react";

import { hexagon } from "./comb";
import type { Health } from "./model";

export const RIM: Record<Health, string> = {
  ok: "var(--line-strong)",
  warn: "var(--warn)",
  bad: "var(--bad)",
  new: "var(--info)",
};

export function HoneyHex({ level, health, size }: { level: number | null; health: Health; size: number }) {
  const id = useId();
  const r = size / 2 - 1.5;
  return (
    <svg
      width={size}
      height={size}
      viewBox={`${-size / 2} ${-size / 2} ${size} ${size}`}
      aria-hidden
      className="shrink-0"
    >
      <clipPath id={id}>
        <path d={hexagon(r)} />
      </clipPath>
      <path d={hexagon(r)} fill="var(--raised)" />
      {level === null ? null : (
        <rect
          clipPath={`url(#${id})`}
          x={-r}
          width={2 * r}
          y={r - 2 * r * level}
          height={2 * r * level}
          fill="var(--accent)"
        />
      )}
      <path
        d={hexagon(r)}
        fill="none"
        stroke={RIM[health]}
        strokeWidth={health === "ok" ? 1 : 1.75}
        strokeDasharray={level === null ? "3 2" : undefined}
      />
    </svg>
  );
}
