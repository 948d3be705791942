/** The chats of this browser: found by words, by age, pinned ones first; and what can be done to each. */
import {
  Download,
  FileText,
  MoreHorizontal,
  Pencil,
  Pin,
  PinOff,
  SquarePen,
  Trash2,
  Upload,
} from "lucide-react";
import { useEffect, useMemo, useRef, useState } from "react";

import { confirm, toast } from "@/app";
import { cn, IconButton, Input, Menu, SearchInput } from "@/ui";

import type { Chat } from "../core/types";
import { theHistory, useChats } from "../live/chats";
import { deleteAll, deleteChat, exportJson, exportMarkdown, importJson, pin, rename } from "../live/shelf";
import { groupsOf } from "./groups";

export interface HistoryListProps {
  onOpen: (id: string) => void;
  onNew: () => void;
}

const SEARCH_MS = 150;

export function HistoryList({ onOpen, onNew }: HistoryListProps) {
  const rows = useChats((state) => state.chats);
  const open = useChats((state) => state.chat.id);
  const durable = useChats((state) => state.durable);
  const [query, setQuery] = useState("");
  const found = useFound(query, rows.length);
  const groups = useMemo(() => groupsOf(rows, query, found, Date.now()), [rows, query, found]);
  return (
    <div className="flex min-h-0 flex-1 flex-col gap-2">
      <div className="flex items-center gap-1 px-2">
        <SearchInput value={query} onChange={setQuery} label="Search chats" className="flex-1 sm:w-auto" />
        <IconButton label="New chat" keys="n" icon={<SquarePen />} onClick={onNew} />
        <AllMenu rows={rows} />
      </div>
      <nav aria-label="Chats" className="min-h-0 flex-1 overflow-y-auto px-2 pb-3">
        {groups.map(({ name, chats }) => (
          <section key={name} className="pt-2">
            <h2 className="px-2 pb-1 text-2xs font-medium text-faint">{name}</h2>
            <ul>
              {chats.map((chat) => (
                <Row
                  key={chat.id}
                  chat={chat}
                  open={chat.id === open}
                  where={found?.get(chat.id) ?? null}
                  onOpen={onOpen}
                />
              ))}
            </ul>
          </section>
        ))}
        {groups.length === 0 ? (
          <p className="px-2 py-6 text-center text-xs text-faint">
            {query === "" ? "What you ask is kept here, in this browser only." : "No chat has these words."}
          </p>
        ) : null}
      </nav>
      {durable ? null : (
        <p className="px-4 pb-3 text-xs text-warn">This browser keeps nothing: chats go with the page.</p>
      )}
    </div>
  );
}

function Row({
  chat,
  open,
  where,
  onOpen,
}: {
  chat: Chat;
  open: boolean;
  where: string | null;
  onOpen: (id: string) => void;
}) {
  const [naming, setNaming] = useState(false);
  const busy = useChats((state) => [...state.runs.values()].some((run) => run.parts.chat === chat.id));
  if (naming) return <Naming chat={chat} onDone={() => setNaming(false)} />;
  return (
    <li className={cn("group/row flex items-center rounded-md", open ? "bg-raised" : "hover:bg-hover")}>
      <button
        type="button"
        aria-current={open ? "page" : undefined}
        onClick={() => onOpen(chat.id)}
        className="min-w-0 flex-1 px-2 py-1.5 text-left text-sm"
      >
        <span className="flex items-center gap-2">
          {busy ? (
            <span
              className="size-1.5 shrink-0 rounded-full bg-accent animate-breathe"
              aria-label="is answered"
              role="img"
            />
          ) : null}
          <span className={cn("truncate", open ? "text-fg" : "text-muted")}>{chat.title}</span>
        </span>
        {where === null ? null : <span className="block truncate text-xs text-faint">{where}</span>}
      </button>
      <Menu
        trigger={
          <IconButton
            label={`More about ${chat.title}`}
            icon={<MoreHorizontal />}
            size="sm"
            className="opacity-0 focus-visible:opacity-100 group-hover/row:opacity-100 data-[state=open]:opacity-100 max-md:opacity-100"
          />
        }
        items={[
          { label: "Rename", icon: <Pencil />, onSelect: () => setNaming(true) },
          chat.pinned
            ? { label: "Unpin", icon: <PinOff />, onSelect: () => pin(chat, false) }
            : { label: "Pin", icon: <Pin />, onSelect: () => pin(chat, true) },
          { label: "Export as Markdown", icon: <FileText />, onSelect: () => void exportMarkdown(chat) },
          { label: "Export as JSON", icon: <Download />, onSelect: () => void exportJson([chat]) },
          "separator",
          { label: "Delete", icon: <Trash2 />, danger: true, onSelect: () => void askDelete(chat) },
        ]}
      />
    </li>
  );
}

function Naming({ chat, onDone }: { chat: Chat; onDone: () => void }) {
  const [title, setTitle] = useState(chat.title);
  const done = () => {
    rename(chat, title);
    onDone();
  };
  return (
    <li className="py-0.5">
      <Input
        autoFocus
        aria-label="Title"
        value={title}
        onChange={(event) => setTitle(event.target.value)}
        onBlur={done}
        onKeyDown={(event) => {
          if (event.key === "Enter") done();
          if (event.key === "Escape") onDone();
        }}
      />
    </li>
  );
}

function AllMenu({ rows }: { rows: readonly Chat[] }) {
  const picker = useRef<HTMLInputElement>(null);
  const read = async (file: File) => {
    try {
      const count = await importJson(file);
      toast.ok(`${count} ${count === 1 ? "chat" : "chats"} imported`);
    } catch (error) {
      toast.problem(error);
    }
  };
  return (
    <>
      <input
        ref={picker}
        type="file"
        accept="application/json,.json"
        hidden
        aria-label="A file of exported chats"
        onChange={(event) => {
          const [file] = event.target.files ?? [];
          if (file) void read(file);
          event.target.value = "";
        }}
      />
      <Menu
        trigger={<IconButton label="All chats" icon={<MoreHorizontal />} />}
        items={[
          { label: "Import", icon: <Upload />, onSelect: () => picker.current?.click() },
          {
            label: "Export all",
            icon: <Download />,
            disabled: rows.length === 0,
            onSelect: () => void exportJson(rows),
          },
          "separator",
          {
            label: "Delete all",
            icon: <Trash2 />,
            danger: true,
            disabled: rows.length === 0,
            onSelect: () => void askDeleteAll(rows.length),
          },
        ]}
      />
    </>
  );
}

async function askDelete(chat: Chat): Promise<void> {
  const sure = await confirm({
    title: "Delete this chat?",
    text: `“${chat.title}” is kept in this browser only: nothing brings it back.`,
    action: "Delete",
    danger: true,
  });
  if (sure) await deleteChat(chat.id);
}

async function askDeleteAll(count: number): Promise<void> {
  const sure = await confirm({
    title: "Delete all chats?",
    text: `${count} ${count === 1 ? "chat is" : "chats are"} kept in this browser only: nothing brings them back. Export them first if in doubt.`,
    action: "Delete all",
    danger: true,
  });
  if (sure) await deleteAll();
}

/** Where the words of a search occur; null while nothing is searched. */
function useFound(query: string, count: number): ReadonlyMap<string, string> | null {
  const [found, setFound] = useState<{ query: string; in: ReadonlyMap<string, string> } | null>(null);
  useEffect(() => {
    if (query.trim() === "") return undefined;
    let left = false;
    const timer = setTimeout(() => {
      void theHistory()
        .then((history) => history.search(query))
        .then((found) => (left ? undefined : setFound({ query, in: found })));
    }, SEARCH_MS);
    return () => {
      left = true;
      clearTimeout(timer);
    };
  }, [query, count]);
  return query.trim() === "" ? null : (found?.in ?? null);
}
