/** The good end: the machine is in the colony, with what it brings. */
import { Check } from "lucide-react";
import { useNavigate } from "@tanstack/react-router";

import { useRow, type HiveRow } from "@/state";
import { Button, format } from "@/ui";

import { devicesOf } from "../groups";

export interface JoinedProps {
  hive: HiveRow;
  onAnother: () => void;
  onDone: () => void;
}

export function Joined({ hive, onAnother, onDone }: JoinedProps) {
  const node = useRow("nodes", hive.hive_id);
  const navigate = useNavigate();
  const engines = hive.engines.filter((engine) => engine.usable).map((engine) => engine.name);
  return (
    <div role="status" className="flex flex-col items-center gap-1 py-6 text-center animate-rise">
      <span className="relative mb-2 grid size-16 place-items-center">
        <svg viewBox="-32 -32 64 64" className="absolute inset-0" aria-hidden>
          <path
            d="M0,-30L26,-15V15L0,30L-26,15V-15Z"
            fill="var(--ok-soft)"
            stroke="var(--ok)"
            strokeWidth="1.5"
          />
        </svg>
        <Check className="relative size-7 text-ok" strokeWidth={2.5} aria-hidden />
      </span>
      <p className="text-lg font-semibold">{hive.hive_id} is in the colony</p>
      <p className="text-muted num">
        {devicesOf(hive)}
        {node?.ram_total_mb ? ` · ${format.memoryMb(node.ram_total_mb)} RAM` : ""}
        {engines.length > 0 ? ` · ${engines.join(", ")}` : ""}
      </p>
      <div className="mt-4 flex flex-wrap justify-center gap-2">
        <Button
          variant="primary"
          onClick={() => {
            onDone();
            void navigate({ to: "/hives", search: { hive: hive.hive_id } as never });
          }}
        >
          Show it
        </Button>
        <Button onClick={() => void navigate({ to: "/models" })}>Get a model for it</Button>
        <Button variant="ghost" onClick={onAnother}>
          Add another
        </Button>
      </div>
    </div>
  );
}
