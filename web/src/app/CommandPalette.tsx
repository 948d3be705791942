/** Ctrl+K: to any page, model, hive or worker, and every action that the pages registered; with the keyboard alone. */
import { useNavigate } from "@tanstack/react-router";
import { Command } from "cmdk";
import { Boxes, Hexagon, Monitor, Moon, Package, Sun, Zap } from "lucide-react";
import { Dialog as Radix } from "radix-ui";
import { useState, type ReactNode } from "react";

import { useTable } from "@/state";
import { Keys } from "@/ui";

import { openPalette, useCommandStore, type Command as Registered } from "./commands";
import { openHelp } from "./help-store";
import { PLACES } from "./places";
import { findThings } from "./finding";
import { setTheme, useTheme, type ThemeWish } from "./theme";

const ITEM =
  "flex h-9 max-md:h-10 cursor-pointer items-center gap-2.5 rounded-md px-2.5 text-sm text-fg data-[selected=true]:bg-hover data-[selected=true]:[--faint:var(--muted)] [&_svg]:size-4 [&_svg]:shrink-0 [&_svg]:text-muted";

interface EntryProps {
  id: string;
  title: string;
  keywords?: string;
  keys?: string | undefined;
  icon?: ReactNode;
  note?: ReactNode;
  run: () => void;
}

function Entry({ id, title, keywords = "", keys, icon, note, run }: EntryProps) {
  return (
    <Command.Item
      value={id}
      keywords={[title, keywords]}
      className={ITEM}
      onSelect={() => {
        openPalette(false);
        run();
      }}
    >
      {icon ?? <Zap aria-hidden />}
      <span className="min-w-0 truncate">{title}</span>
      {note ? <span className="min-w-0 truncate text-xs text-faint">{note}</span> : null}
      {keys ? <Keys keys={keys} className="ml-auto" /> : null}
    </Command.Item>
  );
}

function grouped(commands: Iterable<Registered>): [string, Registered[]][] {
  const groups = new Map<string, Registered[]>();
  for (const command of commands) {
    const name = command.group ?? "Actions";
    groups.set(name, [...(groups.get(name) ?? []), command]);
  }
  return [...groups];
}

const THING_ICON = { Models: <Package />, Hives: <Hexagon />, Workers: <Boxes /> };

/** Models, hives and workers of the colony that hold what is typed. */
function Found({ query }: { query: string }) {
  const navigate = useNavigate();
  const models = useTable("models");
  const hives = useTable("hives");
  const workers = useTable("workers");
  const groups = findThings(query, models.values(), hives.values(), workers.values());
  return groups.map(({ heading, things }) => (
    <Command.Group key={heading} heading={heading}>
      {things.map((thing) => (
        <Entry
          key={thing.id}
          id={thing.id}
          title={thing.title}
          note={thing.note}
          keywords={query}
          icon={THING_ICON[heading]}
          run={() => void navigate({ to: thing.to, search: thing.search as never })}
        />
      ))}
    </Command.Group>
  ));
}

/** Whole words, wherever they stand: letters strewn over a line find what nobody meant. Its name counts most. */
function rank(_id: string, query: string, keywords: string[] = []): number {
  const [title = "", more = ""] = keywords.map((each) => each.toLowerCase());
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.every((word) => `${title} ${more}`.includes(word))) return 0;
  return words.every((word) => title.includes(word)) ? 1 : 0.5;
}

const THEMES: { wish: ThemeWish; icon: ReactNode; title: string }[] = [
  { wish: "dark", icon: <Moon />, title: "Dark theme" },
  { wish: "light", icon: <Sun />, title: "Light theme" },
  { wish: "system", icon: <Monitor />, title: "Theme as the system" },
];

export function CommandPalette() {
  const open = useCommandStore((state) => state.open);
  const all = useCommandStore((state) => state.all);
  const wish = useTheme((state) => state.wish);
  const [query, setQuery] = useState("");
  const navigate = useNavigate();
  return (
    <Radix.Root open={open} onOpenChange={openPalette}>
      <Radix.Portal>
        <Radix.Overlay className="fixed inset-0 z-50 bg-shade animate-fade" />
        <Radix.Content
          aria-describedby={undefined}
          onOpenAutoFocus={() => setQuery("")}
          className="fixed inset-x-2 top-2 z-50 overflow-hidden rounded-xl border border-line-strong bg-overlay shadow-pop animate-rise focus:outline-none sm:inset-x-auto sm:left-1/2 sm:top-[12dvh] sm:w-[min(620px,94vw)] sm:-translate-x-1/2"
        >
          <Radix.Title className="sr-only">Command palette</Radix.Title>
          <Command label="Command palette" loop filter={rank}>
            <Command.Input
              autoFocus
              value={query}
              onValueChange={setQuery}
              placeholder="Find anything, or do something …"
              className="h-12 w-full border-b bg-transparent px-4 text-base outline-none"
            />
            <Command.List className="max-h-[min(420px,60dvh)] overflow-y-auto p-1.5 [&_[cmdk-group-heading]]:px-2.5 [&_[cmdk-group-heading]]:pb-1 [&_[cmdk-group-heading]]:pt-2 [&_[cmdk-group-heading]]:text-2xs [&_[cmdk-group-heading]]:font-medium [&_[cmdk-group-heading]]:text-faint">
              <Command.Empty className="px-3 py-8 text-center text-muted">
                Nothing goes by these words.
              </Command.Empty>
              <Found query={query} />
              {grouped(all.values()).map(([name, commands]) => (
                <Command.Group key={name} heading={name}>
                  {commands.map((command) => (
                    <Entry key={command.id} {...command} keywords={command.keywords ?? ""} />
                  ))}
                </Command.Group>
              ))}
              <Command.Group heading="Go to">
                {PLACES.map((place) => (
                  <Entry
                    key={place.path}
                    id={`page ${place.path}`}
                    title={place.label}
                    keywords={place.keywords}
                    keys={place.keys}
                    icon={<place.icon aria-hidden />}
                    run={() => void navigate({ to: place.path })}
                  />
                ))}
              </Command.Group>
              <Command.Group heading="Console">
                {THEMES.filter((each) => each.wish !== wish).map((each) => (
                  <Entry
                    key={each.wish}
                    id={`theme ${each.wish}`}
                    title={each.title}
                    icon={each.icon}
                    keywords="theme colours mode"
                    run={() => setTheme(each.wish)}
                  />
                ))}
                <Entry
                  id="help keys"
                  title="Keyboard shortcuts"
                  keys="?"
                  run={() => openHelp()}
                  keywords="help keys"
                />
              </Command.Group>
            </Command.List>
          </Command>
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}
