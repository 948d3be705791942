/**
 * Which model answers: a search over all that can be talked to, with how each one is now, and what
 * asking the pointed one would lead to (`GET /v1/plan`). A name that no hive has is offered too.
 */
import { useQuery } from "@tanstack/react-query";
import { Command } from "cmdk";
import { Check, ChevronDown, Plus } from "lucide-react";
import { Popover } from "radix-ui";
import { useState } from "react";

import { call, api } from "@/api";
import { cn, format, StatusDot } from "@/ui";

import { nameParts, shortName } from "../../models/names";
import { STARTER, type Talker, talkerOf, useTalkers } from "../live/models";
import { READINESS } from "./readiness";

interface Plan {
  outcome: string;
  message: string;
  ready_in_s: number | null;
  ready_source: string | null;
  download_bytes: number | null;
  remedy: string | null;
}

/** What a request for a model would lead to now; nothing is done. Null where nobody may ask. */
export function usePlan(model: string, enabled: boolean): Plan | null {
  const query = useQuery({
    queryKey: ["chat", "plan", model],
    queryFn: async () =>
      (await call(api.GET("/v1/plan", { params: { query: { model } } } as never))) as unknown as Plan,
    enabled: enabled && model !== "",
    retry: false,
    staleTime: 5_000,
  });
  return query.data ?? null;
}

export interface ModelPickerProps {
  value: string;
  onChange: (model: string) => void;
  /** What it is for: its accessible name. */
  label?: string;
  align?: "start" | "end";
}

export function ModelPicker({ value, onChange, label = "Model", align = "start" }: ModelPickerProps) {
  const [open, setOpen] = useState(false);
  const { all } = useTalkers();
  const chosen = talkerOf(all, value);
  const state = READINESS[chosen?.readiness ?? "away"];
  const pick = (model: string) => {
    onChange(model);
    setOpen(false);
  };
  return (
    <Popover.Root open={open} onOpenChange={setOpen}>
      <Popover.Trigger asChild>
        <button
          type="button"
          aria-label={`${label}: ${value ? `${value}, ${state.word}` : "Choose a model"}`}
          className="flex h-8 min-w-0 max-w-full max-md:h-10 items-center gap-2 rounded-md px-2 text-base font-medium hover:bg-hover data-[state=open]:bg-hover"
        >
          {value ? (
            <StatusDot
              state={state.word}
              tone={state.tone}
              pulse={chosen?.readiness === "loading"}
              label=""
            />
          ) : null}
          <span className="truncate" title={value}>
            {value ? shortName(value) : "Choose a model"}
          </span>
          <ChevronDown className="size-4 shrink-0 text-faint" aria-hidden />
        </button>
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content
          aria-label={label}
          align={align}
          sideOffset={6}
          collisionPadding={8}
          className="z-50 w-[min(420px,calc(100vw-16px))] rounded-xl border border-line-strong bg-overlay shadow-pop animate-rise"
        >
          <Choices all={all} value={value} pick={pick} />
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}

function Choices({
  all,
  value,
  pick,
}: {
  all: readonly Talker[];
  value: string;
  pick: (model: string) => void;
}) {
  const [search, setSearch] = useState("");
  const [pointed, setPointed] = useState(value);
  const typed = search.trim();
  const known = all.some((each) => each.id === STARTER);
  return (
    <Command
      label="Models"
      value={pointed}
      onValueChange={setPointed}
      filter={(id, query, keywords) => (matches([id, ...(keywords ?? [])], query) ? 1 : 0)}
    >
      <Command.Input
        value={search}
        onValueChange={setSearch}
        placeholder="Find a model, or type a name of the hub …"
        className="h-10 w-full border-b bg-transparent px-3.5 text-sm outline-none placeholder:text-faint"
      />
      <Command.List className="max-h-[min(360px,50dvh)] overflow-y-auto p-1">
        {all.map((each) => (
          <Choice key={each.id} talker={each} chosen={each.id === value} pick={pick} />
        ))}
        {known ? null : (
          <Command.Item
            value={STARTER}
            keywords={["smollm2"]}
            onSelect={() => pick(STARTER)}
            className={ITEM}
          >
            <Plus className="size-4 text-faint" aria-hidden />
            <span className="flex-1">{STARTER}</span>
            <span className="text-xs text-faint">93 MB, fetched when it is asked</span>
          </Command.Item>
        )}
        {typed !== "" && !talkerOf(all, typed) && typed !== STARTER ? (
          <Command.Item value={typed} forceMount onSelect={() => pick(typed)} className={ITEM}>
            <Plus className="size-4 text-faint" aria-hidden />
            <span className="min-w-0 flex-1 truncate">
              Use <span className="font-mono text-xs">{typed}</span>
            </span>
            <span className="text-xs text-faint">downloads it first</span>
          </Command.Item>
        ) : null}
      </Command.List>
      <Foot all={all} model={pointed} />
    </Command>
  );
}

const ITEM =
  "flex cursor-pointer items-center gap-2.5 rounded-md px-2.5 py-2 text-sm data-[selected=true]:bg-hover data-[selected=true]:[--faint:var(--muted)]";

function Choice({
  talker,
  chosen,
  pick,
}: {
  talker: Talker;
  chosen: boolean;
  pick: (model: string) => void;
}) {
  const { word, tone } = READINESS[talker.readiness];
  const { name, from } = nameParts(talker.id);
  const facts = [
    from || talker.quantization,
    talker.sizeBytes ? format.bytes(talker.sizeBytes) : null,
    hivesOf(talker.hives),
  ];
  return (
    <Command.Item
      value={talker.id}
      keywords={talker.aliases}
      onSelect={() => pick(talker.id)}
      className={ITEM}
    >
      <StatusDot state={word} tone={tone} pulse={talker.readiness === "loading"} label="" />
      <span className="min-w-0 flex-1">
        <span className="block truncate font-medium" title={talker.id}>
          {name}
        </span>
        <span className="num block truncate text-xs text-faint">{facts.filter(Boolean).join(" · ")}</span>
      </span>
      <span className={cn("text-xs", tone === "ok" ? "text-ok" : tone === "bad" ? "text-bad" : "text-muted")}>
        {word}
      </span>
      <Check className={cn("size-4 shrink-0 text-accent-text", !chosen && "invisible")} aria-hidden />
    </Command.Item>
  );
}

/** What asking the pointed model would lead to. */
function Foot({ all, model }: { all: readonly Talker[]; model: string }) {
  const talker = talkerOf(all, model);
  const plan = usePlan(model, talker?.readiness !== "ready");
  if (model === "") return null;
  const says = talker?.readiness === "ready" ? "A worker is ready: it answers at once." : planWords(plan);
  return <p className="min-h-9 border-t px-3.5 py-2 text-xs text-muted">{says}</p>;
}

function planWords(plan: Plan | null): string {
  if (!plan) return "It is loaded, or downloaded first, when it is asked.";
  const parts = [plan.message];
  if (plan.download_bytes) parts.push(`${format.bytes(plan.download_bytes)} to download.`);
  if (plan.ready_in_s !== null) parts.push(`Ready in about ${format.duration(plan.ready_in_s)}.`);
  if (plan.remedy) parts.push(plan.remedy);
  return parts.join(" ");
}

function hivesOf(hives: readonly string[]): string | null {
  const [first] = hives;
  if (first === undefined) return null;
  return hives.length === 1 ? first : `${hives.length} hives`;
}

function matches(texts: readonly string[], query: string): boolean {
  const all = texts.join(" ").toLowerCase();
  return query
    .toLowerCase()
    .split(/\s+/)
    .every((word) => all.includes(word));
}
