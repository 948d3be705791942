/** The input of one setting, by its type. What cannot be read as a value yet is told beside it. */
import { useState } from "react";

import { Input, Select, Switch, Textarea } from "@/ui";

import { equal, type Kind } from "./draft";

interface EditorProps {
  name: string;
  kind: Kind;
  value: unknown;
  unit: string | null;
  disabled: boolean;
  onValue: (value: unknown) => void;
  /** Why what stands in the field is no value; null when it is one. */
  onTrouble: (trouble: string | null) => void;
}

export function Editor(props: EditorProps) {
  const { kind, value, disabled, onValue, name } = props;
  switch (kind.kind) {
    case "switch":
      return (
        <Switch
          checked={value === true}
          onChange={onValue}
          disabled={disabled}
          label={<span className="text-muted">{value === true ? "on" : "off"}</span>}
        />
      );
    case "choice":
      return (
        <Select
          value={String(value)}
          onChange={onValue}
          disabled={disabled}
          label={name}
          options={kind.options.map((option) => ({ value: option, label: option }))}
        />
      );
    case "text":
      return (
        <Input
          mono
          value={typeof value === "string" ? value : ""}
          disabled={disabled}
          placeholder={kind.nullable ? "not set" : ""}
          onChange={(event) =>
            onValue(event.target.value === "" && kind.nullable ? null : event.target.value)
          }
        />
      );
    case "number":
      return <NumberEditor {...props} kind={kind} />;
    default:
      return <TextEditor {...props} />;
  }
}

function NumberEditor({
  kind,
  value,
  unit,
  disabled,
  onValue,
  onTrouble,
}: EditorProps & { kind: Kind & { kind: "number" } }) {
  // What is being typed ("1.", "") is kept as text, else the caret would jump.
  const [typed, setTyped] = useState<string | null>(null);
  const take = (text: string): void => {
    setTyped(text);
    if (text.trim() === "") {
      onTrouble(kind.nullable ? null : "A number is wanted.");
      if (kind.nullable) onValue(null);
      return;
    }
    const number = Number(text);
    if (!Number.isFinite(number) || (kind.whole && !Number.isInteger(number))) {
      onTrouble(kind.whole ? "A whole number is wanted." : "A number is wanted.");
      return;
    }
    onTrouble(null);
    onValue(number);
  };
  return (
    <span className="flex items-center gap-2">
      <Input
        className="num"
        inputMode="decimal"
        value={typed ?? (typeof value === "number" ? String(value) : "")}
        disabled={disabled}
        placeholder={kind.nullable ? "no limit" : ""}
        onChange={(event) => {
          take(event.target.value);
        }}
        onBlur={() => {
          setTyped(null);
          onTrouble(null);
        }}
      />
      {unit ? <span className="shrink-0 text-xs text-faint">{unit}</span> : null}
    </span>
  );
}

/** Lists as one entry a line, everything else as JSON. */
function TextEditor({ kind, value, disabled, onValue, onTrouble }: EditorProps) {
  const lines = kind.kind === "lines";
  const shown = lines
    ? (Array.isArray(value) ? value : []).map(String).join("\n")
    : JSON.stringify(value, null, 2);
  const [typed, setTyped] = useState<string | null>(null);
  const take = (text: string): void => {
    setTyped(text);
    const read = lines ? linesOf(text) : json(text);
    onTrouble(read === undefined ? "This is no JSON yet." : null);
    if (read !== undefined && !equal(read, value)) onValue(read);
  };
  const text = typed ?? shown;
  return (
    <Textarea
      mono
      className="min-h-8"
      rows={Math.min(12, text.split("\n").length)}
      value={text}
      disabled={disabled}
      placeholder={lines ? "one a line" : ""}
      onChange={(event) => {
        take(event.target.value);
      }}
      onBlur={() => {
        if (lines || json(text) !== undefined) setTyped(null);
      }}
    />
  );
}

function linesOf(text: string): string[] {
  return text
    .split(/[\n,]/)
    .map((line) => line.trim())
    .filter(Boolean);
}

function json(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
