/** What the palette can do besides going to pages: pages register their actions as long as they show. */
import { useEffect, type ReactNode } from "react";
import { create } from "zustand";

export interface Command {
  id: string;
  title: string;
  /** The heading it stands under (default "Actions"). */
  group?: string;
  /** More words that find it. */
  keywords?: string;
  keys?: string;
  icon?: ReactNode;
  run: () => void;
}

interface Commands {
  all: ReadonlyMap<string, Command>;
  open: boolean;
}
export const useCommandStore = create<Commands>(() => ({ all: new Map(), open: false }));

/** Registers a command; one with the same id is replaced. Returns what takes it away again. */
function registerCommand(command: Command): () => void {
  const change = (edit: (all: Map<string, Command>) => void) =>
    useCommandStore.setState((state) => {
      const all = new Map(state.all);
      edit(all);
      return { all };
    });
  change((all) => all.set(command.id, command));
  return () => {
    if (useCommandStore.getState().all.get(command.id) === command) change((all) => all.delete(command.id));
  };
}

/** Registers `commands` as long as the component shows; give it a list that is memoised. */
export function useCommands(commands: readonly Command[]): void {
  useEffect(() => {
    const removals = commands.map(registerCommand);
    return () => removals.forEach((remove) => remove());
  }, [commands]);
}

export function openPalette(open = true): void {
  useCommandStore.setState({ open });
}
