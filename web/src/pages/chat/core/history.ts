/**
 * Chats in this browser's IndexedDB: nothing of them is ever kept on a server.
 *
 * Heads and turns are rows of their own, so that a turn of a long chat is written without the rest.
 * Writes of one turn replace each other. Where the browser has no database (a private window of
 * some), everything works and lasts as long as the page: `durable` says so.
 */
import type { Tree } from "./tree";
import { treeOf } from "./tree";
import type { Chat, Turn } from "./types";

const NAME = "rbee-chat";
const VERSION = 1;

interface TurnRow {
  chat: string;
  pane: number;
  turn: Turn;
}

interface ChoiceRow {
  chat: string;
  pane: number;
  chosen: [string, string][];
}

export class History {
  private constructor(private readonly database: IDBDatabase | null) {}

  /** Whether chats outlive the page. */
  get durable(): boolean {
    return this.database !== null;
  }

  static async open(factory: IDBFactory | undefined = globalThis.indexedDB): Promise<History> {
    try {
      return new History(await opened(factory));
    } catch {
      return new History(null);
    }
  }

  /** All heads, the last used first. */
  async chats(): Promise<Chat[]> {
    const rows = await this.read<Chat>("chats", (store) => store.getAll() as IDBRequest<Chat[]>);
    return rows.sort((a, b) => b.updatedAt - a.updatedAt);
  }

  /** The trees of a chat, one a pane. */
  async trees(chat: Chat): Promise<Tree[]> {
    const range = IDBKeyRange.bound([chat.id], [chat.id, []]);
    const turns = await this.read<TurnRow>("turns", (store) => store.getAll(range) as IDBRequest<TurnRow[]>);
    const choices = await this.read<ChoiceRow>(
      "choices",
      (store) => store.getAll(range) as IDBRequest<ChoiceRow[]>,
    );
    return chat.panes.map((_, pane) =>
      treeOf(
        turns.filter((row) => row.pane === pane).map((row) => row.turn),
        choices.find((row) => row.pane === pane)?.chosen ?? [],
      ),
    );
  }

  async putChat(chat: Chat): Promise<void> {
    await this.write(["chats"], (stores) => stores("chats").put(chat));
  }

  async putTurn(chat: string, pane: number, turn: Turn): Promise<void> {
    await this.write(["turns"], (stores) => stores("turns").put({ chat, pane, id: turn.id, turn }));
  }

  async putChosen(chat: string, pane: number, tree: Tree): Promise<void> {
    await this.write(["choices"], (stores) =>
      stores("choices").put({ chat, pane, chosen: [...tree.chosen] } satisfies ChoiceRow),
    );
  }

  async dropTurns(chat: string, pane: number, ids: readonly string[]): Promise<void> {
    await this.write(["turns"], (stores) => {
      for (const id of ids) stores("turns").delete([chat, pane, id]);
    });
  }

  /** Write a whole chat: an import, or one that was copied. */
  async putWhole(chat: Chat, trees: readonly Tree[]): Promise<void> {
    await this.write(["chats", "turns", "choices"], (stores) => {
      stores("chats").put(chat);
      trees.forEach((tree, pane) => {
        for (const turn of tree.turns.values())
          stores("turns").put({ chat: chat.id, pane, id: turn.id, turn });
        stores("choices").put({ chat: chat.id, pane, chosen: [...tree.chosen] });
      });
    });
  }

  async drop(chat: string): Promise<void> {
    const range = IDBKeyRange.bound([chat], [chat, []]);
    await this.write(["chats", "turns", "choices"], (stores) => {
      stores("chats").delete(chat);
      stores("turns").delete(range);
      stores("choices").delete(range);
    });
  }

  async dropAll(): Promise<void> {
    await this.write(["chats", "turns", "choices"], (stores) => {
      for (const name of ["chats", "turns", "choices"]) stores(name).clear();
    });
  }

  /**
   * The ids of chats in whose turns all words occur, with the place where the first one does.
   * Reads with a cursor: a long history is never in memory at once.
   */
  async search(query: string): Promise<Map<string, string>> {
    const words = wordsOf(query);
    const found = new Map<string, string>();
    if (words.length === 0 || !this.database) return found;
    const store = this.database.transaction("turns").objectStore("turns");
    await new Promise<void>((resolve, reject) => {
      const request = store.openCursor();
      request.onerror = () => reject(request.error ?? new Error("The history cannot be read."));
      request.onsuccess = () => {
        const cursor = request.result;
        if (!cursor) return resolve();
        const row = cursor.value as TurnRow;
        if (!found.has(row.chat)) {
          const text = snippet(row.turn.text, words);
          if (text !== null) found.set(row.chat, text);
        }
        cursor.continue();
      };
    });
    return found;
  }

  private async read<T>(name: string, ask: (store: IDBObjectStore) => IDBRequest<T[]>): Promise<T[]> {
    if (!this.database) return [];
    return await done(ask(this.database.transaction(name).objectStore(name)));
  }

  private async write(
    names: string[],
    change: (stores: (name: string) => IDBObjectStore) => unknown,
  ): Promise<void> {
    if (!this.database) return;
    const transaction = this.database.transaction(names, "readwrite");
    change((name) => transaction.objectStore(name));
    await new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error ?? new Error("The history cannot be written."));
    });
  }
}

export function wordsOf(query: string): string[] {
  return query.toLowerCase().split(/\s+/).filter(Boolean);
}

/** Characters shown around what was found. */
const AROUND = 48;

/** The text around the first word, where all words occur; else null. */
export function snippet(text: string, words: readonly string[]): string | null {
  const lower = text.toLowerCase();
  if (!words.every((word) => lower.includes(word))) return null;
  const at = lower.indexOf(words[0] ?? "");
  const from = Math.max(0, at - AROUND);
  const cut = text
    .slice(from, at + AROUND * 2)
    .replace(/\s+/g, " ")
    .trim();
  return `${from > 0 ? "…" : ""}${cut}${at + AROUND * 2 < text.length ? "…" : ""}`;
}

function opened(factory: IDBFactory | undefined): Promise<IDBDatabase> {
  if (!factory) return Promise.reject(new Error("This browser keeps no databases."));
  return new Promise((resolve, reject) => {
    const request = factory.open(NAME, VERSION);
    request.onupgradeneeded = () => {
      const database = request.result;
      database.createObjectStore("chats", { keyPath: "id" });
      database.createObjectStore("turns", { keyPath: ["chat", "pane", "id"] });
      database.createObjectStore("choices", { keyPath: ["chat", "pane"] });
    };
    request.onsuccess = () => {
      // Another tab with a newer console must not wait for this one.
      request.result.onversionchange = () => request.result.close();
      resolve(request.result);
    };
    request.onerror = () => reject(request.error ?? new Error("The history cannot be opened."));
    request.onblocked = () => reject(new Error("Another tab holds the history."));
  });
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("The history cannot be read."));
  });
}
