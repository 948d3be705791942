/** The bar at the page's foot while something is changed and not saved. */
import { useBlocker } from "@tanstack/react-router";

import { confirm } from "@/app";
import { Button, format, Keys } from "@/ui";

import type { Draft } from "./draft";

interface SaveBarProps {
  draft: Draft;
  saving: boolean;
  onSave: () => Promise<void>;
  onDiscard: () => void;
}

export function SaveBar({ draft, saving, onSave, onDiscard }: SaveBarProps) {
  const names = Object.keys(draft);
  const dirty = names.length > 0;
  useBlocker({
    disabled: !dirty,
    enableBeforeUnload: dirty,
    shouldBlockFn: async ({ current, next }) => {
      const of = (place: { pathname: string; search: object }) =>
        place.pathname + ((place.search as { of?: string }).of ?? "");
      if (of(current) === of(next)) return false; // a filter of this page
      return !(await confirm({
        title: `Leave without saving ${names.join(", ")}?`,
        text: `${format.plural(names.length, "change is", "changes are")} not saved, and forgotten then.`,
        action: "Leave",
      }));
    },
  });
  if (!dirty) return null;
  return (
    <div
      role="region"
      aria-label="Unsaved changes"
      className="sticky bottom-3 z-20 flex w-full max-w-2xl flex-wrap items-center gap-2 rounded-lg border border-line-strong bg-overlay px-3.5 py-2 shadow-pop animate-rise"
    >
      <p className="min-w-0 flex-1 truncate">
        <span className="font-medium">{format.plural(names.length, "change")}</span>{" "}
        <span className="text-muted">{names.join(", ")}</span>
      </p>
      <Button variant="ghost" onClick={onDiscard} disabled={saving}>
        Discard
      </Button>
      <Button variant="primary" onClick={onSave} busy={saving && "Saving …"}>
        Save
        <span className="max-sm:hidden">
          <Keys keys="mod+s" />
        </span>
      </Button>
    </div>
  );
}
