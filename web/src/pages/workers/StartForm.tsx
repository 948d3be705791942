/** The form of a new worker: which model where and how, and beside it what would happen now. */
import { useEffect, useMemo, useState } from "react";

import { Field, format, Input, Notice, Select } from "@/ui";
import { useTable, type HiveRow } from "@/state";
import { PlanOptions } from "../models/fit/PlanOptions";
import { bestOption, usePlan, type PlanOption } from "../models/fit/usePlan";
import type { Wish } from "./wish";

export interface StartFormProps {
  wish: Wish;
  onWish: (wish: Wish) => void;
  /** Told where it would go and how long it would load, as the plan says now. */
  onPlan: (target: PlanOption | undefined) => void;
}

export function StartForm({ wish, onWish, onPlan }: StartFormProps) {
  const hives = useTable("hives");
  const names = useModelNames();
  const planned = usePlan(wish.model, wish.hive);
  const [more, setMore] = useState(wish.engine !== "" || wish.context !== "" || wish.slots !== "");
  const hive = hives.get(wish.hive);
  const set = (change: Partial<Wish>) => onWish({ ...wish, ...change });
  // The place that fits the model named before may not fit this one.
  const target = planned.plan && planned.settled ? bestOption(planned.plan) : undefined;
  useTold(target, onPlan);
  return (
    <div className="flex flex-col gap-4">
      <Field
        label="Model"
        hint="A model of the colony, an alias, org/repo, org/repo:Q4_K_M, or a file's path on the hive"
      >
        <Input
          value={wish.model}
          onChange={(event) => set({ model: event.target.value })}
          list="start-models"
          placeholder="starter"
          required
        />
      </Field>
      <datalist id="start-models">
        {names.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      <div className="grid gap-3 sm:grid-cols-2">
        <Field label="Hive">
          <Select
            value={wish.hive}
            onChange={(value) => set({ hive: value, device: "" })}
            options={[{ value: "", label: "Where it fits best" }, ...hiveOptions(hives)]}
          />
        </Field>
        <Field label="Device" hint={hive ? undefined : "Choose a hive to choose its device"}>
          <Select
            value={wish.device}
            onChange={(value) => set({ device: value })}
            disabled={!hive}
            options={[{ value: "", label: "Automatic" }, ...deviceOptions(hive)]}
          />
        </Field>
      </div>
      <Plan
        planned={planned}
        wish={wish}
        onSelect={(at) => set({ hive: at.hive_id, device: at.device ?? "" })}
      />
      <button
        type="button"
        aria-expanded={more}
        onClick={() => setMore(!more)}
        className="self-start rounded-sm max-md:min-h-10 text-xs font-medium text-muted hover:text-fg"
      >
        {more ? "Fewer settings" : "Engine, context, slots …"}
      </button>
      {more ? (
        <div className="grid gap-3 sm:grid-cols-2">
          <Field label="Engine">
            <Select
              value={wish.engine}
              onChange={(value) => set({ engine: value })}
              options={[{ value: "", label: "Automatic" }, ...engineOptions(hive)]}
            />
          </Field>
          <Field label="Slots" hint="Requests at once">
            <NumberInput value={wish.slots} onChange={(slots) => set({ slots })} min={1} max={256} />
          </Field>
          <Field label="Context" hint="Tokens, for all slots together">
            <NumberInput
              value={wish.context}
              onChange={(context) => set({ context })}
              min={64}
              max={16777216}
            />
          </Field>
          <Field label="GPU layers" hint="-1 is all, 0 none">
            <NumberInput
              value={wish.gpuLayers}
              onChange={(gpuLayers) => set({ gpuLayers })}
              min={-1}
              max={100000}
            />
          </Field>
        </div>
      ) : null}
    </div>
  );
}

function NumberInput(props: { value: string; onChange: (value: string) => void; min: number; max: number }) {
  const { value, onChange, ...bounds } = props;
  return (
    <Input
      type="number"
      inputMode="numeric"
      placeholder="automatic"
      value={value}
      onChange={(event) => onChange(event.target.value)}
      {...bounds}
    />
  );
}

function Plan({
  planned,
  wish,
  onSelect,
}: {
  planned: ReturnType<typeof usePlan>;
  wish: Wish;
  onSelect: (option: PlanOption) => void;
}) {
  const { plan, problem, asking } = planned;
  if (wish.model.trim() === "")
    return <p className="text-xs text-faint">Name a model, and what would happen now stands here.</p>;
  if (problem) return <Notice title={problem.message}>{problem.remedy}</Notice>;
  if (!plan)
    return <p className="text-xs text-muted">{asking ? "Looking where it fits …" : format.UNKNOWN}</p>;
  return (
    <section aria-label="Plan" className="flex flex-col gap-2">
      <p className="text-sm">{plan.message}</p>
      {plan.evict.length > 0 ? (
        <Notice tone="warn" title="Others would give way to a request">
          {plan.evict.map((one) => `${one.model} on ${one.hive_id}`).join(", ")}. A worker that you start by
          hand moves nobody.
        </Notice>
      ) : null}
      {plan.outcome === "refuse" && plan.remedy ? <p className="text-xs text-muted">{plan.remedy}</p> : null}
      <PlanOptions plan={plan} selected={{ hive: wish.hive, device: wish.device }} onSelect={onSelect} />
    </section>
  );
}

/** Tell the sheet around the form where it would go, when that changes. */
function useTold(target: PlanOption | undefined, onPlan: (target: PlanOption | undefined) => void): void {
  useEffect(() => onPlan(target), [target, onPlan]);
}

/** Names to choose from: the colony's models, those on a disk first. */
function useModelNames(): readonly string[] {
  const models = useTable("models");
  return useMemo(() => {
    const names = new Set<string>();
    for (const row of models.values()) names.add(row.model_id);
    return [...names].sort();
  }, [models]);
}

function hiveOptions(hives: ReadonlyMap<string, HiveRow>) {
  return [...hives.values()].map((hive) => ({
    value: hive.hive_id,
    label: hive.state === "fresh" ? hive.hive_id : `${hive.hive_id} (does not answer)`,
    disabled: hive.state !== "fresh",
  }));
}

function deviceOptions(hive: HiveRow | undefined) {
  const gpus = (hive?.devices ?? []).filter((device) => device.device_type !== "cpu" && !device.reason);
  const together =
    gpus.length > 1
      ? [{ value: gpus.map((device) => device.id).join(","), label: `All ${gpus.length} GPUs together` }]
      : [];
  return [
    ...(hive?.devices ?? []).map((device) => ({
      value: device.id,
      label: `${device.id} · ${device.name}${device.reason ? ` (${device.reason})` : ""}`,
      disabled: device.reason !== null,
    })),
    ...together,
  ];
}

function engineOptions(hive: HiveRow | undefined) {
  return (hive?.engines ?? []).map((engine) => ({
    value: engine.name,
    label: engine.usable ? engine.name : `${engine.name} (${engine.reason ?? "cannot be used"})`,
    disabled: !engine.usable,
  }));
}
