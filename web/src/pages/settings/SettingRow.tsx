/** One setting: what it is, where its value comes from, its input, and the way back to the default. */
import { Lock, RotateCcw, Undo2 } from "lucide-react";
import { useState } from "react";

import { Badge, cn, Field, IconButton, Tooltip, type Tone, Words } from "@/ui";

import { type Edit, inWords, kindOf, type Setting, shownValue } from "./draft";
import { Editor } from "./Editor";

const SOURCES: Record<Setting["source"], { tone: Tone; text: string; about: string }> = {
  default: { tone: "neutral", text: "default", about: "Nobody has set it." },
  file: { tone: "accent", text: "file", about: "It stands in config.toml." },
  environment: { tone: "info", text: "environment", about: "An environment variable says it." },
  flag: { tone: "info", text: "command line", about: "The command line says it." },
};

interface SettingRowProps {
  setting: Setting;
  edit: Edit | undefined;
  error: string | undefined;
  readOnly: boolean;
  onEdit: (edit: Edit) => void;
  onUndo: () => void;
}

export function SettingRow({ setting, edit, error, readOnly, onEdit, onUndo }: SettingRowProps) {
  const [trouble, setTrouble] = useState<string | null>(null);
  const kind = kindOf(setting);
  const locked = setting.locked !== null;
  const wide = kind.kind === "lines" || kind.kind === "json";
  const isDefault = edit ? edit.kind === "unset" : setting.source === "default";
  return (
    <li
      id={`setting-${setting.name}`}
      className={cn(
        "grid gap-x-6 gap-y-2 border-b scroll-m-4 px-3.5 py-3 last:border-b-0 lg:grid-cols-[minmax(0,1fr)_minmax(0,24rem)]",
        edit && "bg-accent-soft [--faint:var(--muted)]",
      )}
    >
      <div className="min-w-0">
        <div className="flex flex-wrap items-center gap-1.5">
          <code className="break-all font-mono text-xs font-medium">{setting.name}</code>
          {setting.source === "default" ? null : <SourceBadge setting={setting} />}
          {setting.waits ? <Badge tone="warn">waits for a restart</Badge> : null}
        </div>
        <p className="mt-1 max-w-prose text-muted">
          <Words text={setting.about} />
        </p>
        <p className="mt-1 text-xs text-faint">
          Default: {inWords(setting.default, setting.unit)}
          {setting.waits ? <> · In force now: {inWords(setting.value, setting.unit)}</> : null}
          {setting.live || setting.waits || locked ? null : " · Read at the start: a change waits for that."}
          {setting.masked ? " · The password in it is not shown." : null}
        </p>
      </div>
      <div className="min-w-0">
        <div className="flex items-start gap-1">
          <Field
            label={setting.name}
            hideLabel
            error={trouble ?? error}
            className={cn("flex-1", !wide && kind.kind !== "text" && "lg:max-w-56")}
          >
            <Editor
              name={setting.name}
              kind={kind}
              value={shownValue(setting, edit)}
              unit={setting.unit}
              disabled={locked || readOnly}
              onValue={(value) => {
                onEdit({ kind: "set", value });
              }}
              onTrouble={setTrouble}
            />
          </Field>
          {edit ? (
            <IconButton
              label={`Undo the change of ${setting.name}`}
              icon={<Undo2 />}
              onClick={() => {
                setTrouble(null);
                onUndo();
              }}
            />
          ) : null}
          {!locked && !readOnly && !isDefault ? (
            <IconButton
              label={`Back to the default of ${setting.name}`}
              icon={<RotateCcw />}
              onClick={() => {
                setTrouble(null);
                onEdit({ kind: "unset" });
              }}
            />
          ) : null}
        </div>
        {setting.locked !== null && !readOnly ? (
          <p className="mt-1 flex items-start gap-1.5 text-xs text-faint">
            <Lock className="mt-0.5 size-3 shrink-0" aria-hidden />
            <span>
              <Words text={setting.locked} />
            </span>
          </p>
        ) : null}
      </div>
    </li>
  );
}

function SourceBadge({ setting }: { setting: Setting }) {
  const { tone, text, about } = SOURCES[setting.source];
  const variable = setting.variable
    ? ` ${setting.variable} in the environment would come before the file.`
    : "";
  return (
    <Tooltip
      text={setting.source === "environment" ? `${setting.variable ?? ""} says it.` : about + variable}
    >
      <span>
        <Badge tone={tone}>{text}</Badge>
      </span>
    </Tooltip>
  );
}
