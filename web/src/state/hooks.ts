/**
 * The store's tables for React. Each hook wakes its component only when what it reads has changed,
 * and at most once an animation frame.
 */
import { useCallback, useSyncExternalStore } from "react";

import { onTick } from "./history";
import { getConnection, getRow, getTable, isStale, subscribe, subscribeConnection } from "./store";
import type { ColonyRow, Connection, TableName, Tables } from "./types";
import { newVersion, onVersion } from "./version";

/** All rows of a table, by id: a new Map after each change. */
export function useTable<Name extends TableName>(name: Name): ReadonlyMap<string, Tables[Name]> {
  const listen = useCallback((wake: () => void) => subscribe(name, wake), [name]);
  return useSyncExternalStore(listen, () => getTable(name));
}

/** One row of a table; undefined while there is none. */
export function useRow<Name extends TableName>(name: Name, id: string): Tables[Name] | undefined {
  const listen = useCallback((wake: () => void) => subscribe(name, wake), [name]);
  return useSyncExternalStore(listen, () => getRow(name, id));
}

/** The colony's counts; undefined before the first message. */
export function useColony(): ColonyRow | undefined {
  return useRow("colony", "queen");
}

/** How the stream is. */
export function useConnection(): Connection {
  return useSyncExternalStore(subscribeConnection, getConnection);
}

/** Whether anything was heard yet: before that an empty table says nothing. */
export function useKnown(): boolean {
  return useSyncExternalStore(subscribeConnection, () => getConnection().lastAt !== null);
}

/** The queen's version where it is no longer the one that this page came from; else null. */
export function useNewVersion(): string | null {
  return useSyncExternalStore(onVersion, newVersion);
}

/** Whether what is shown of a row is old and should grey out. */
export function useStale(name: TableName, id: string): boolean {
  const listen = useCallback((wake: () => void) => {
    const stops = [subscribe("hives", wake), subscribeConnection(wake)];
    return () => {
      for (const stop of stops) stop();
    };
  }, []);
  return useSyncExternalStore(listen, () => isStale(name, id));
}

let ticks = 0;
onTick(() => {
  ticks += 1;
});

/** Re-render about once a second, for ages and charts; returns a growing number. */
export function useTick(): number {
  return useSyncExternalStore(onTick, () => ticks);
}
