/** How to ask: instructions, sampling, limits, presets. An empty field is left to the model's engine. */
import { useState } from "react";

import { useTable } from "@/state";
import { Button, Field, IconButton, Input, Select, Sheet, Switch, Textarea } from "@/ui";
import { Trash2 } from "lucide-react";

import type { Sampling } from "../core/types";
import { BUILT_IN, keepPresets, ownPresets, type Preset } from "../live/kept";

export interface SettingsSheetProps {
  open: boolean;
  onClose: () => void;
  sampling: Sampling;
  onChange: (sampling: Sampling) => void;
}

type NumberKey = "temperature" | "topP" | "topK" | "maxTokens" | "seed";

interface Figure {
  name: NumberKey;
  label: string;
  hint: string;
  min: number;
  max: number;
  step: number | "any";
}

const FIGURES: readonly Figure[] = [
  {
    name: "temperature",
    label: "Temperature",
    hint: "0 always takes the likeliest word; above 1 it gets wild",
    min: 0,
    max: 2,
    step: "any",
  },
  {
    name: "topP",
    label: "Top-p",
    hint: "Only the likeliest words that make up this share",
    min: 0,
    max: 1,
    step: "any",
  },
  { name: "topK", label: "Top-k", hint: "Only so many of the likeliest words", min: 0, max: 1_000, step: 1 },
  {
    name: "maxTokens",
    label: "Longest answer, tokens",
    hint: "Ends there; Continue goes on",
    min: 1,
    max: 1_000_000,
    step: 1,
  },
  {
    name: "seed",
    label: "Seed",
    hint: "The same number gives the same answer, nearly always",
    min: 0,
    max: 2 ** 31 - 1,
    step: 1,
  },
];

export function SettingsSheet({ open, onClose, sampling, onChange }: SettingsSheetProps) {
  const set = (part: Partial<Sampling>) => onChange({ ...sampling, ...part });
  const hives = [...useTable("hives").keys()].sort();
  return (
    <Sheet
      open={open}
      onOpenChange={(wanted) => (wanted ? undefined : onClose())}
      title="Instructions and settings"
      description="For this chat, from the next answer on. What is empty is left to the model."
    >
      <div className="flex flex-col gap-5">
        <Presets sampling={sampling} onChange={onChange} />
        <Field label="Instructions" hint="Said to the model before everything else (the system prompt)">
          <Textarea
            data-autofocus=""
            value={sampling.system}
            rows={5}
            placeholder="You are …"
            onChange={(event) => set({ system: event.target.value })}
          />
        </Field>
        <div className="grid grid-cols-1 gap-4 sm:grid-cols-2">
          {FIGURES.map((figure) => (
            <NumberField
              key={figure.name}
              figure={figure}
              value={sampling[figure.name]}
              onChange={(value) => set({ [figure.name]: value })}
            />
          ))}
          <Field label="Stop at" hint="One text a line; the answer ends before it">
            <Textarea
              mono
              rows={2}
              value={sampling.stop.join("\n")}
              onChange={(event) =>
                set({ stop: event.target.value.split("\n").filter((line) => line !== "") })
              }
            />
          </Field>
        </div>
        <Switch
          checked={sampling.json}
          onChange={(json) => set({ json })}
          label="Answer in JSON"
          hint="The engine lets nothing else through. Say in your question which fields you want."
        />
        {hives.length > 1 ? (
          <Field label="Ask this hive first" hint="Another one answers when it has no free slot">
            <Select
              value={sampling.hiveId ?? ""}
              onChange={(hive) => set({ hiveId: hive === "" ? null : hive })}
              options={[{ value: "", label: "Any" }, ...hives.map((hive) => ({ value: hive, label: hive }))]}
            />
          </Field>
        ) : null}
      </div>
    </Sheet>
  );
}

function NumberField({
  figure,
  value,
  onChange,
}: {
  figure: Figure;
  value: number | null;
  onChange: (value: number | null) => void;
}) {
  // What is typed stays as it is typed ("0." on the way to "0.5").
  const [text, setText] = useState(value === null ? "" : String(value));
  const shown =
    text !== "" && Number(text) === value
      ? text
      : value === null
        ? isBad(text, figure)
          ? text
          : ""
        : String(value);
  const bad = isBad(text, figure);
  return (
    <Field
      label={figure.label}
      hint={figure.hint}
      error={bad ? `From ${figure.min} to ${figure.max}` : undefined}
    >
      <Input
        inputMode="decimal"
        value={shown}
        placeholder="the model's own"
        onChange={(event) => {
          const typed = event.target.value.replace(",", ".");
          setText(typed);
          onChange(typed.trim() === "" || isBad(typed, figure) ? null : Number(typed));
        }}
      />
    </Field>
  );
}

function isBad(text: string, { min, max, step }: Figure): boolean {
  if (text.trim() === "") return false;
  const value = Number(text);
  return !(value >= min && value <= max) || (step === 1 && !Number.isInteger(value));
}

function Presets({ sampling, onChange }: { sampling: Sampling; onChange: (sampling: Sampling) => void }) {
  const [own, setOwn] = useState(ownPresets);
  const [name, setName] = useState("");
  const keep = (presets: Preset[]) => {
    setOwn(presets);
    keepPresets(presets);
  };
  return (
    <div className="flex flex-col gap-2">
      <p className="label font-medium" id="presets">
        Presets
      </p>
      <div className="flex flex-wrap gap-1.5" role="group" aria-labelledby="presets">
        {BUILT_IN.map((preset) => (
          // One that says nothing of instructions leaves them.
          <Button
            key={preset.name}
            size="sm"
            onClick={() => onChange({ ...preset.sampling, system: sampling.system, hiveId: sampling.hiveId })}
          >
            {preset.name}
          </Button>
        ))}
        {own.map((preset) => (
          <span key={preset.name} className="inline-flex">
            <Button size="sm" className="rounded-r-none" onClick={() => onChange(preset.sampling)}>
              {preset.name}
            </Button>
            <IconButton
              label={`Delete the preset ${preset.name}`}
              icon={<Trash2 />}
              size="sm"
              variant="secondary"
              className="rounded-l-none border-l-0"
              onClick={() => keep(own.filter((each) => each.name !== preset.name))}
            />
          </span>
        ))}
      </div>
      <form
        className="flex gap-2"
        onSubmit={(event) => {
          event.preventDefault();
          if (name.trim() === "") return;
          keep([...own.filter((each) => each.name !== name.trim()), { name: name.trim(), sampling }]);
          setName("");
        }}
      >
        <Input
          aria-label="Name of a new preset"
          placeholder="Keep these settings as …"
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
        <Button type="submit" disabled={name.trim() === ""}>
          Keep
        </Button>
      </form>
    </div>
  );
}
