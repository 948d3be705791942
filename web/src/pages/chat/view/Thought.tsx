/** What a model thought before it spoke, folded; and the calls of tools that it asked for. */
import { Brain, ChevronRight, Wrench } from "lucide-react";
import { useState } from "react";

import { CodeBlock, cn } from "@/ui";

import type { ToolCall } from "../core/types";
import { Markdown } from "../markdown/Markdown";

export function Thought({ name, text, growing }: { name: string; text: string; growing: boolean }) {
  const [open, setOpen] = useState<boolean | null>(null);
  // Open while it thinks, folded once it speaks; a hand on it decides for good.
  const shown = open ?? growing;
  return (
    <div className="rounded-lg border bg-surface">
      <button
        type="button"
        aria-expanded={shown}
        onClick={() => setOpen(!shown)}
        className="flex h-8 w-full items-center gap-2 px-3 text-xs font-medium text-muted hover:text-fg"
      >
        <Brain className={cn("size-3.5", growing && "animate-breathe text-accent-text")} aria-hidden />
        {growing ? "Thinking …" : "Thought"}
        <ChevronRight
          className={cn("ml-auto size-3.5 transition-transform", shown && "rotate-90")}
          aria-hidden
        />
      </button>
      {shown ? (
        <div className="max-h-80 overflow-y-auto border-t px-3 py-2 text-muted [&_.prose]:text-sm [&_.prose]:leading-6">
          <Markdown name={`${name} thought`} text={text} growing={growing} />
        </div>
      ) : null}
    </div>
  );
}

export function Tools({ calls }: { calls: readonly ToolCall[] }) {
  return calls.map((call, index) => (
    <div key={index} className="flex flex-col gap-1">
      <p className="flex items-center gap-2 text-xs text-muted">
        <Wrench className="size-3.5" aria-hidden />
        Asks to call <span className="font-mono text-fg">{call.name}</span>. The console shows calls; it makes
        none.
      </p>
      <CodeBlock code={pretty(call.arguments)} label={`Arguments of ${call.name}`} wrap />
    </div>
  ));
}

function pretty(json: string): string {
  try {
    return JSON.stringify(JSON.parse(json), null, 2);
  } catch {
    return json; // while it comes it is no whole JSON
  }
}
