/**
 * The colony as the browser knows it: one map a table, changed by snapshots and deltas.
 *
 * It lives outside React. A message changes the maps at once; listeners hear of it in the next frames
 * (`spread`), and only of tables that changed. A changed table is a new
 * Map, so that memoised work on it notices; a row that did not change keeps its identity.
 */
import { spread } from "./spread";
import { TABLE_NAMES } from "./types";
import type { Connection, Message, TableName, Tables } from "./types";

type TableMaps = { [Name in TableName]: ReadonlyMap<string, Tables[Name]> };
type Listener = () => void;

/** How long after the last message what is shown counts as live: three missed beats, and a bit. */
export const LIVE_S = 3.5;

function emptyTables(): TableMaps {
  return Object.fromEntries(TABLE_NAMES.map((name) => [name, new Map()])) as unknown as TableMaps;
}

let tables = emptyTables();
const listeners = new Map<TableName, Set<Listener>>();
const dirty = new Set<TableName>();
const messageListeners = new Set<(at: number) => void>();
const connectionListeners = new Set<Listener>();
let connection: Connection = { state: "connecting", ageS: null, lastAt: null, reason: null };
let clockOffsetS = 0;
const NOBODY: ReadonlySet<Listener> = new Set();

/** The rows of a table, by id. A new Map after every change. */
export function getTable<Name extends TableName>(name: Name): ReadonlyMap<string, Tables[Name]> {
  return tables[name];
}

/** One row; the same object until it changes. */
export function getRow<Name extends TableName>(name: Name, id: string): Tables[Name] | undefined {
  return tables[name].get(id);
}

/** Hear of changes of a table, at most once an animation frame. Returns how to stop. */
export function subscribe(name: TableName, listener: Listener): () => void {
  let those = listeners.get(name);
  if (those === undefined) {
    those = new Set();
    listeners.set(name, those);
  }
  those.add(listener);
  return () => {
    those.delete(listener);
  };
}

/** Hear of every message, at once, with the queen's time. For what keeps a history. */
export function onMessage(listener: (at: number) => void): () => void {
  messageListeners.add(listener);
  return () => {
    messageListeners.delete(listener);
  };
}

/** Now by the queen's clock, in Unix seconds: what ages of rows are reckoned with. */
export function serverNow(): number {
  return Date.now() / 1000 + clockOffsetS;
}

/** Fold a message in. */
export function take(message: Message): void {
  clockOffsetS = message.at - Date.now() / 1000;
  if (message.type === "snapshot") {
    const fresh = emptyTables();
    for (const name of TABLE_NAMES) {
      const rows = message.tables[name];
      if (rows !== undefined) replace(fresh, name, new Map(Object.entries(rows)));
      dirty.add(name);
    }
    tables = fresh;
  } else {
    for (const name of TABLE_NAMES) {
      const change = message.tables[name];
      if (change === undefined) continue;
      const next = new Map<string, unknown>(tables[name]);
      // Deleted first: a row that comes back in the same message counts as new.
      for (const id of change.del ?? []) next.delete(id);
      for (const id in change.set) next.set(id, change.set[id]);
      replace(tables, name, next);
      dirty.add(name);
    }
  }
  setConnection({ state: "live", ageS: 0, lastAt: Date.now(), reason: null });
  for (const listener of messageListeners) listener(message.at);
  tellChanged();
}

/** Forget everything, as after signing out: nobody else may see it on this screen. */
export function clear(): void {
  tables = emptyTables();
  for (const name of TABLE_NAMES) dirty.add(name);
  tellChanged();
}

// TypeScript cannot relate the map's row type to a name that is only known at run time.
function replace(into: TableMaps, name: TableName, rows: ReadonlyMap<string, unknown>): void {
  (into as Record<TableName, ReadonlyMap<string, unknown>>)[name] = rows;
}

function tellChanged(): void {
  for (const name of dirty) spread(listeners.get(name) ?? NOBODY);
  dirty.clear();
}

// ── the connection ───────────────────────────────────────────────────────────

/** How the stream is, and how old what is shown. */
export function getConnection(): Connection {
  return connection;
}

/** Hear of changes of the connection. */
export function subscribeConnection(listener: Listener): () => void {
  connectionListeners.add(listener);
  return () => {
    connectionListeners.delete(listener);
  };
}

/** Say how the connection is; an equal word changes nothing. */
export function setConnection(next: Connection): void {
  const same =
    next.state === connection.state && next.ageS === connection.ageS && next.reason === connection.reason;
  // `lastAt` alone changes every second: it is kept, but nobody is woken for it.
  if (same) {
    connection.lastAt = next.lastAt;
    return;
  }
  connection = next;
  for (const listener of [...connectionListeners]) listener();
}

/**
 * Whether what is shown of a row is old: the stream is lost, or its hive has missed three beats
 * (the queen says so in the hive's state).
 */
export function isStale(name: TableName, id: string): boolean {
  if (connection.lastAt !== null && connection.state !== "live") return true;
  const hiveId = hiveOf(name, id);
  if (hiveId === null) return false;
  const hive = tables.hives.get(hiveId);
  return hive !== undefined && hive.state !== "fresh";
}

function hiveOf(name: TableName, id: string): string | null {
  switch (name) {
    case "hives":
    case "nodes":
      return id;
    case "workers":
    case "loads":
      return tables.workers.get(id)?.hive_id ?? null;
    case "models":
      return tables.models.get(id)?.hive_id ?? null;
    case "downloads":
      return tables.downloads.get(id)?.hive_id ?? null;
    default:
      return null;
  }
}
