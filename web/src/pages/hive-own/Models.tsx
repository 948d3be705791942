/** The models on this machine's disk; each can be started here. */
import { Play } from "lucide-react";
import { useMemo, useState } from "react";

import { Badge, Button, Card, type Column, Empty, format, Table } from "@/ui";

import { start } from "./actions";
import type { Hive, Model } from "./useHive";

export function Models({ hive }: { hive: Hive }) {
  const { look } = hive;
  const [starting, setStarting] = useState<string | null>(null);
  const columns = useMemo(
    () =>
      columnsOf(starting, (model) => {
        setStarting(model.id);
        void start(model, look).finally(() => setStarting(null));
      }),
    [starting, look],
  );
  return (
    <Card title="Models" note={hive.models ? String(hive.models.length) : undefined} padded={false}>
      <Table
        label="Models of this hive"
        rows={hive.models ?? []}
        columns={columns}
        rowId={(model) => model.id}
        empty={
          <Empty
            title="No model is here"
            text={<>Fetch one at the queen&apos;s console, or type: rbee model download starter</>}
          />
        }
      />
    </Card>
  );
}

function columnsOf(starting: string | null, onStart: (model: Model) => void): Column<Model>[] {
  return [
    {
      id: "model",
      header: "Model",
      width: "minmax(200px,3fr)",
      card: "title",
      sort: (model) => model.id,
      cell: (model) => (
        <span className="flex min-w-0 items-center gap-2">
          <span className="truncate font-medium" title={model.name}>
            {model.id}
          </span>
          {model.loaded ? <Badge tone="ok">loaded</Badge> : null}
          {model.status === "available" ? null : <Badge tone="info">{model.status}</Badge>}
        </span>
      ),
    },
    {
      id: "size",
      header: "Size",
      width: "100px",
      align: "right",
      sort: (model) => model.size_bytes,
      cell: (model) => <span className="num">{format.bytes(model.size_bytes)}</span>,
    },
    {
      id: "quantization",
      header: "Quantization",
      sort: (model) => model.quantization,
      cell: (model) => format.text(model.quantization),
    },
    {
      id: "context",
      header: "Context",
      width: "110px",
      align: "right",
      sort: (model) => model.context_length,
      cell: (model) => <span className="num">{format.count(model.context_length)}</span>,
    },
    {
      id: "actions",
      header: "Actions",
      quietHeader: true,
      width: "120px",
      card: "corner",
      cell: (model) => (
        <span className="flex justify-end">
          <Button
            size="sm"
            icon={<Play />}
            disabled={starting !== null || model.status !== "available"}
            busy={starting === model.id && "Starting …"}
            aria-label={`Start ${model.id}`}
            onClick={() => onStart(model)}
          >
            Start
          </Button>
        </span>
      ),
    },
  ];
}
