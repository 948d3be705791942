/** Bring a model to a hive: from another hive or from outside, with whether it fits there, before a byte moves. */
import { useState } from "react";

import { useRow, useTable } from "@/state";
import { Button, Dialog, Facts, Field, format, Notice, Select } from "@/ui";
import { copyModel, fetchModel } from "./actions";
import { PlanOptions } from "./fit/PlanOptions";
import { usePlan } from "./fit/usePlan";
import { holdersOf, isOutside, sizeOf, type ModelLine } from "./rows";

const COLONY = "";
const OUTSIDE = "outside";

export interface BringDialogProps {
  line: ModelLine;
  hiveId: string;
  operator: boolean;
  onClose: () => void;
}

export function BringDialog({ line, hiveId, operator, onClose }: BringDialogProps) {
  const hives = useTable("hives");
  const node = useRow("nodes", hiveId);
  const holders = holdersOf(line, hives).filter((hive) => hive !== hiveId);
  const [source, setSource] = useState(holders.length > 0 ? COLONY : OUTSIDE);
  const planned = usePlan(line.id, hiveId);
  const size = sizeOf(line);
  const free = node?.disk_free_mb == null ? null : node.disk_free_mb * 1024 * 1024;
  const silent = hives.get(hiveId)?.state !== "fresh";
  const why = reasonAgainst({
    operator,
    silent,
    hiveId,
    nowhere: holders.length === 0 && !isOutside(line.id),
  });
  const options = [
    ...(holders.length > 0 ? [{ value: COLONY, label: "The nearest hive that has it" }] : []),
    ...holders.map((hive) => ({ value: hive, label: `The hive ${hive}` })),
    ...(isOutside(line.id) && holders.length === 0 ? [{ value: OUTSIDE, label: "The internet" }] : []),
  ];
  const bring = () => {
    void (source === OUTSIDE ? fetchModel(line.id, hiveId) : copyModel(line.id, hiveId, source || null));
    onClose();
  };
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={`Bring ${line.name} to ${hiveId}`}
      description={line.id}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button variant="primary" disabled={why !== null} title={why ?? undefined} onClick={bring}>
            {source === OUTSIDE ? "Download" : "Copy"} {size === null ? "" : format.bytes(size)}
          </Button>
        </>
      }
    >
      <div className="flex flex-col gap-4">
        {why ? <Notice tone="warn" title={why} /> : null}
        {options.length > 0 ? (
          <Field
            label="From"
            hint="Files are known by their content: whichever hive gives it, the digest is checked."
          >
            <Select value={source} onChange={setSource} options={options} />
          </Field>
        ) : null}
        <Facts
          items={[
            ["Takes", format.bytes(size)],
            ["Free on its disk", format.bytes(free)],
          ]}
        />
        {size !== null && free !== null && size > free ? (
          <Notice tone="bad" title="Its disk has not enough room">
            Delete a model there first; its page says how much each takes.
          </Notice>
        ) : null}
        <section className="flex flex-col gap-2">
          <h3 className="label">Would it fit into memory there now?</h3>
          {planned.plan ? (
            <PlanOptions plan={onlyOf(planned.plan, hiveId)} />
          ) : (
            <p className="text-xs text-muted">
              {planned.problem ? planned.problem.message : "Reading the model's header …"}
            </p>
          )}
        </section>
      </div>
    </Dialog>
  );
}

function onlyOf<P extends { options: { hive_id: string }[] }>(plan: P, hiveId: string): P {
  return { ...plan, options: plan.options.filter((option) => option.hive_id === hiveId) };
}

function reasonAgainst(at: {
  operator: boolean;
  silent: boolean;
  hiveId: string;
  nowhere: boolean;
}): string | null {
  if (!at.operator) return "Only operators bring models: sign in with an operator's key.";
  if (at.silent) return `${at.hiveId} does not answer now.`;
  return at.nowhere ? "No hive that answers has it, and no source outside is known for it." : null;
}
