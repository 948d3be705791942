/** The engines of a hive, and why one cannot be used. */
import { Check, Minus } from "lucide-react";

import type { EngineFacts, HiveRow } from "@/state";
import { Badge, format, Words } from "@/ui";

import { sentence } from "../troubles";
import { Section } from "./Section";

export function Engines({ hive }: { hive: HiveRow }) {
  const engines = [...hive.engines].sort((a, b) => Number(b.usable) - Number(a.usable));
  const usable = engines.filter((engine) => engine.usable).length;
  if (engines.length === 0) return null;
  return (
    <Section title="Engines" note={`${usable} of ${engines.length} usable`}>
      <ul className="divide-y rounded-lg border bg-surface">
        {engines.map((engine) => (
          <Engine key={engine.name} engine={engine} />
        ))}
      </ul>
    </Section>
  );
}

function Engine({ engine }: { engine: EngineFacts }) {
  return (
    <li className="flex items-start gap-2.5 px-3 py-2">
      {engine.usable ? (
        <Check className="mt-0.5 size-4 shrink-0 text-ok" role="img" aria-label="usable" />
      ) : (
        <Minus className="mt-0.5 size-4 shrink-0 text-faint" role="img" aria-label="not usable" />
      )}
      <div className="min-w-0 flex-1">
        <p className="flex flex-wrap items-baseline gap-x-2">
          <span className={engine.usable ? "font-medium" : "text-muted"}>{engine.name}</span>
          <span className="text-xs text-faint num">
            {engine.version ?? (engine.usable ? format.UNKNOWN : "")}
          </span>
        </p>
        {engine.reason ? (
          <p className="text-xs text-muted">
            <Words text={sentence(engine.reason) ?? ""} />
          </p>
        ) : null}
      </div>
      <span className="flex shrink-0 gap-1">
        {engine.device_types.map((kind) => (
          <Badge key={kind}>{kind}</Badge>
        ))}
      </span>
    </li>
  );
}
