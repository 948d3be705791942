/** "?" shows every key that does something here and now. */
import { Dialog, Keys } from "@/ui";

import { openHelp, useHelp } from "./help-store";
import { useShortcuts, type Shortcut } from "./shortcuts";

/** What the table and the dialogs understand by themselves. */
const FIXED: readonly Omit<Shortcut, "run">[] = [
  { keys: "arrowdown", label: "Next row", group: "Lists" },
  { keys: "arrowup", label: "Previous row", group: "Lists" },
  { keys: "enter", label: "Open the row", group: "Lists" },
  { keys: "/", label: "Filter", group: "Lists" },
  { keys: "escape", label: "Close, or empty the filter", group: "Lists" },
];

export function Help() {
  const open = useHelp((state) => state.open);
  const all = useShortcuts((state) => state.all);
  const rows = [...all.filter((each) => each.group !== "Hidden"), ...FIXED];
  const groups = [...new Set(["This page", ...rows.map((row) => row.group)])].filter((group) =>
    rows.some((row) => row.group === group),
  );
  return (
    <Dialog
      open={open}
      onOpenChange={openHelp}
      title="Keyboard"
      description="Keys one after the other are pressed within a second."
      wide
    >
      {/* On a phone it scrolls, and nothing in it takes the focus. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a region that scrolls must be reachable */}
      <div role="group" aria-label="Keys" tabIndex={0} className="columns-1 gap-10 sm:columns-2">
        {groups.map((group) => (
          <section key={group} className="mb-5 break-inside-avoid">
            <h3 className="mb-1 text-xs font-medium text-faint">{group}</h3>
            <ul>
              {rows
                .filter((row) => row.group === group)
                .map((row) => (
                  <li
                    key={row.keys + row.label}
                    className="flex items-center justify-between gap-4 border-b py-1.5 last:border-b-0"
                  >
                    {row.label}
                    <Keys keys={row.keys} />
                  </li>
                ))}
            </ul>
          </section>
        ))}
      </div>
    </Dialog>
  );
}
