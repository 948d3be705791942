/**
 * Talking to the models of the colony.
 *
 * The page is only the view: chats, their trees and the answers that are made live in `live/`, so
 * that leaving the page stops nothing. `?c=` names the chat, `?model=` begins one with a model.
 */
import { Columns2, Check, History as HistoryIcon, PanelLeft, SquarePen } from "lucide-react";
import { useCallback, useEffect, useMemo, useState } from "react";

import { may } from "@/api";
import { useCommands, useShortcut, useUrlState } from "@/app";
import { Button, cn, IconButton, Segmented, Sheet, useMedia, usePageTitle } from "@/ui";

import "./chat.css";
import "./markdown/prose.css";
import { pathOf } from "./core/tree";
import type { Attachment } from "./core/types";
import { changeChat, chats, loadChats, useChats } from "./live/chats";
import { historyFolded, keepFolded, keepModel, lastModel } from "./live/kept";
import { STARTER, talkerOf, useTalkers } from "./live/models";
import { freshChat, openChat } from "./live/shelf";
import { compare, keepPane, send, setModel, stop } from "./live/talk";
import { Composer } from "./view/Composer";
import { HistoryList } from "./view/HistoryList";
import { ModelPicker } from "./view/ModelPicker";
import { Pane } from "./view/Pane";
import { SettingsSheet } from "./view/SettingsSheet";
import { Welcome } from "./view/Welcome";
import { WhySheet } from "./view/WhySheet";

export function Page() {
  const chat = useChats((state) => state.chat);
  const ready = useChats((state) => state.ready);
  const running = useChats((state) =>
    [...state.runs.values()].some((run) => run.parts.chat === state.chat.id),
  );
  const [settings, setSettings] = useState(false);
  const [why, setWhy] = useState<string | null>(null);
  const [editing, setEditing] = useState<{ pane: number; turn: string } | null>(null);
  const [shownPane, setShownPane] = useState("0");
  const wide = useMedia("(min-width: 900px)");
  usePageTitle(chat.title === "New chat" ? "Chat" : chat.title);
  const { begin, open } = useAddress(ready);
  useFirstModel(ready);
  const two = chat.panes.length > 1;
  const { all } = useTalkers();

  const ask = (text: string, attachments: Attachment[] = []) => {
    chat.panes.forEach((pane) => keepModel(pane.model));
    send(text, attachments);
    open(chat.id);
  };
  const editLast = () => {
    const last = pathOf(
      chats().trees[0] ?? { turns: new Map(), children: new Map(), chosen: new Map() },
    ).findLast((turn) => turn.role === "user");
    if (last) setEditing({ pane: 0, turn: last.id });
  };
  const media = chat.panes.map((pane) => talkerOf(all, pane.model)?.media ?? null);
  const onWhy = useMemo(() => (may("read") ? (job: string) => setWhy(job) : null), []);
  useChatKeys(begin, running);

  const panes = chat.panes.map((pane, index) => (
    <section
      key={index}
      aria-label={two ? `Column of ${pane.model}` : "Chat"}
      className={cn("flex min-h-0 min-w-0 flex-1 flex-col", index > 0 && wide && "border-l")}
    >
      {two ? (
        <div className="flex h-11 items-center gap-1 border-b px-3">
          <ModelPicker
            value={pane.model}
            onChange={(model) => setModel(index, model)}
            label={`Model of column ${index + 1}`}
          />
          <Button
            size="sm"
            variant="ghost"
            icon={<Check />}
            className="ml-auto"
            disabled={running}
            onClick={() => keepPane(index)}
          >
            Keep this one
          </Button>
        </div>
      ) : null}
      <Pane
        pane={index}
        onWhy={onWhy}
        editing={editing?.pane === index ? editing.turn : null}
        onEditing={(turn) => setEditing(turn === null ? null : { pane: index, turn })}
        empty={
          two ? null : (
            <Welcome
              model={pane.model}
              onIdea={(idea) => ask(idea)}
              onModel={(model) => setModel(0, model)}
            />
          )
        }
      />
    </section>
  ));

  return (
    <div className="flex h-full min-h-0 min-w-0">
      <Shelf wide={wide} onOpen={open} onNew={begin}>
        {(toggle) => (
          <div className="flex min-h-0 min-w-0 flex-1 flex-col">
            <header className="flex h-12 shrink-0 items-center gap-1 border-b px-2 sm:px-3">
              {toggle}
              <h1 className="sr-only">{chat.title}</h1>
              {two ? (
                wide ? null : (
                  <Segmented
                    label="Column"
                    value={shownPane}
                    onChange={setShownPane}
                    options={chat.panes.map((pane, index) => ({ value: String(index), label: pane.model }))}
                  />
                )
              ) : (
                <ModelPicker value={chat.panes[0]?.model ?? ""} onChange={(model) => setModel(0, model)} />
              )}
              {two && wide ? (
                <span className="min-w-0 truncate px-1 text-sm text-muted">{chat.title}</span>
              ) : null}
              <span className="ml-auto" />
              {two ? null : (
                <IconButton
                  label="Compare with a second model"
                  icon={<Columns2 />}
                  disabled={running || chat.panes[0]?.model === ""}
                  onClick={() =>
                    compare(
                      otherThan(
                        all.map((each) => each.id),
                        chat.panes[0]?.model ?? "",
                      ),
                    )
                  }
                />
              )}
              <IconButton label="New chat" keys="n" icon={<SquarePen />} onClick={begin} />
            </header>
            <div className="flex min-h-0 min-w-0 flex-1">
              {wide || !two ? panes : panes[Number(shownPane)]}
            </div>
            <div className="mx-auto w-full max-w-[780px] px-3 pb-3 sm:px-6 sm:pb-4">
              <Composer
                key={chat.id}
                chat={chat.id}
                running={running}
                blocked={whyNot(chat.panes)}
                media={media.includes(false) ? false : (media[0] ?? null)}
                sampling={chat.sampling}
                onSend={ask}
                onStop={() => stop()}
                onEditLast={editLast}
                onSettings={() => setSettings(true)}
              />
            </div>
          </div>
        )}
      </Shelf>
      <SettingsSheet
        open={settings}
        onClose={() => setSettings(false)}
        sampling={chat.sampling}
        onChange={(sampling) => changeChat({ sampling })}
      />
      <WhySheet jobId={why} onClose={() => setWhy(null)} />
    </div>
  );
}

/** The list of chats: a column where there is room, else a sheet; and the button that shows it. */
function Shelf({
  wide,
  onOpen,
  onNew,
  children,
}: {
  wide: boolean;
  onOpen: (id: string) => void;
  onNew: () => void;
  children: (toggle: React.ReactNode) => React.ReactNode;
}) {
  const [folded, setFolded] = useState(historyFolded);
  const [sheet, setSheet] = useState(false);
  const fold = () => {
    keepFolded(!folded);
    setFolded(!folded);
  };
  if (!wide) {
    return (
      <>
        <Sheet open={sheet} onOpenChange={setSheet} title="Chats" side="left">
          <div className="-mx-4 flex h-full min-h-0 flex-col">
            <HistoryList
              onOpen={(id) => {
                setSheet(false);
                onOpen(id);
              }}
              onNew={() => {
                setSheet(false);
                onNew();
              }}
            />
          </div>
        </Sheet>
        {children(<IconButton label="Chats" icon={<HistoryIcon />} onClick={() => setSheet(true)} />)}
      </>
    );
  }
  return (
    <>
      {folded ? null : (
        <aside aria-label="History" className="flex w-[248px] shrink-0 flex-col border-r pt-2">
          <HistoryList onOpen={onOpen} onNew={onNew} />
        </aside>
      )}
      {children(
        <IconButton
          label={folded ? "Show the chats" : "Hide the chats"}
          aria-expanded={!folded}
          icon={<PanelLeft />}
          onClick={fold}
        />,
      )}
    </>
  );
}

/** The chat that the address names, and the addresses of others. */
function useAddress(ready: boolean) {
  const [id, setId] = useUrlState("c", "", { push: true });
  const [model, setWanted] = useUrlState("model");
  useEffect(() => void loadChats(), []);
  useEffect(() => {
    if (!ready) return;
    if (id === "") {
      if (chats().trees.some((tree) => tree.turns.size > 0)) freshChat();
    } else {
      void openChat(id).then((found) => (found ? undefined : setId("")));
    }
  }, [ready, id, setId]);
  useEffect(() => {
    if (!ready || model === "") return;
    freshChat(model);
    setWanted("");
  }, [ready, model, setWanted]);
  const begin = useCallback(() => {
    freshChat();
    setId("");
  }, [setId]);
  return { begin, open: setId };
}

/** A chat that has no model yet gets the one used last, or one that is ready. */
function useFirstModel(ready: boolean): void {
  const { all, loaded } = useTalkers();
  const model = useChats((state) => state.chat.panes[0]?.model ?? "");
  useEffect(() => {
    // Looked at anew: the address may just have begun a chat with a model.
    if (!ready || !loaded || chats().chat.panes[0]?.model !== "") return;
    const last = lastModel();
    const found = talkerOf(all, last) ?? all.find((each) => each.readiness === "ready") ?? all[0];
    if (found) setModel(0, found.id);
    else if (last === STARTER) setModel(0, STARTER);
  }, [ready, loaded, all, model]);
}

function useChatKeys(begin: () => void, running: boolean): void {
  useShortcut("n", "New chat", begin);
  useShortcut("escape", "Stop the answer", () => stop(), { enabled: running });
  useCommands(
    useMemo(
      () => [
        { id: "chat-new", title: "New chat", group: "Chat", keys: "n", icon: <SquarePen />, run: begin },
      ],
      [begin],
    ),
  );
}

function otherThan(models: readonly string[], model: string): string {
  return models.find((each) => each !== model) ?? model;
}

/** Why nothing can be asked; null when it can. */
function whyNot(panes: readonly { model: string }[]): string | null {
  if (!may("inference")) return "This key may look, not ask: it lacks the scope “inference”";
  return panes.some((pane) => pane.model === "") ? "Choose a model first" : null;
}
