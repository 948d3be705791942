/**
 * What is about to be changed, and how a setting's type is edited. Pure: no React, no requests.
 *
 * A draft holds only what differs from the server; a value that is set back to what it was leaves it.
 */
import type { components } from "@/api/schema";

export type Setting = components["schemas"]["Setting"];
export type SettingsState = components["schemas"]["SettingsState"];

/** A new value, or the wish for the default. */
export type Edit = { kind: "set"; value: unknown } | { kind: "unset" };
export type Draft = Readonly<Record<string, Edit>>;

interface Schema {
  type?: string;
  enum?: readonly string[];
  anyOf?: readonly Schema[];
  items?: Schema;
  minimum?: number;
  maximum?: number;
}

export type Kind =
  | { kind: "switch" }
  | { kind: "choice"; options: readonly string[] }
  | { kind: "number"; whole: boolean; min?: number | undefined; max?: number | undefined; nullable: boolean }
  | { kind: "text"; nullable: boolean }
  | { kind: "lines" }
  | { kind: "json" };

/** How a setting is edited, from its JSON schema. */
export function kindOf(setting: Pick<Setting, "schema">): Kind {
  const schema = setting.schema as Schema;
  const choices = (schema.anyOf ?? [schema]).filter((one) => one.type !== "null");
  const nullable = schema.anyOf?.some((one) => one.type === "null") ?? false;
  const [only, ...more] = choices;
  if (only === undefined || more.length > 0) return { kind: "json" };
  if (only.enum) return { kind: "choice", options: only.enum };
  switch (only.type) {
    case "boolean":
      return { kind: "switch" };
    case "integer":
    case "number":
      return {
        kind: "number",
        whole: only.type === "integer",
        min: only.minimum,
        max: only.maximum,
        nullable,
      };
    case "string":
      return { kind: "text", nullable };
    case "array":
      return only.items?.type === "string" ? { kind: "lines" } : { kind: "json" };
    default:
      return { kind: "json" };
  }
}

/** What the file will say after a start: the value that waits, or the one in force. */
export function standing(setting: Setting): unknown {
  return setting.waits ? setting.next : setting.value;
}

/** What the field shows: the draft's value, the default where it is unset, else what stands. */
export function shownValue(setting: Setting, edit: Edit | undefined): unknown {
  if (edit === undefined) return standing(setting);
  return edit.kind === "unset" ? setting.default : edit.value;
}

/** The draft with one more edit; an edit that changes nothing leaves it. */
export function edited(draft: Draft, setting: Setting, edit: Edit): Draft {
  const { [setting.name]: _old, ...rest } = draft;
  const same = edit.kind === "unset" ? setting.source === "default" : equal(edit.value, standing(setting));
  return same ? rest : { ...rest, [setting.name]: edit };
}

/** The body of the PATCH. */
export function changeOf(draft: Draft, revision: string) {
  const set: Record<string, unknown> = {};
  const unset: string[] = [];
  for (const [name, edit] of Object.entries(draft)) {
    if (edit.kind === "set") set[name] = edit.value;
    else unset.push(name);
  }
  return { set, unset, revision };
}

export function equal(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

export type Shown = "all" | "changed" | "waiting";

/** The groups with the settings that the filter leaves, in the server's order. */
export function groupsOf(
  settings: readonly Setting[],
  filter: string,
  shown: Shown,
): [group: string, settings: Setting[]][] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const groups = new Map<string, Setting[]>();
  for (const setting of settings) {
    if (shown === "changed" && setting.source === "default") continue;
    if (shown === "waiting" && !setting.waits) continue;
    const text = `${setting.name} ${setting.about} ${setting.group} ${setting.variable ?? ""}`.toLowerCase();
    if (!words.every((word) => text.includes(word))) continue;
    const group = groups.get(setting.group) ?? [];
    group.push(setting);
    groups.set(setting.group, group);
  }
  return [...groups];
}

/** A value as a person reads it: for "default: …". */
export function inWords(value: unknown, unit?: string | null): string {
  if (value === null || value === undefined || value === "") return "none";
  if (typeof value === "boolean") return value ? "on" : "off";
  if (Array.isArray(value)) return value.length === 0 ? "none" : value.map(String).join(", ");
  if (typeof value === "object") return Object.keys(value).length === 0 ? "none" : JSON.stringify(value);
  if (typeof value === "number") return unit ? `${value} ${unit}` : String(value);
  return typeof value === "string" ? value : JSON.stringify(value);
}
