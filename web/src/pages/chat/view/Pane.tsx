/**
 * One column of a chat: the turns of its path, at their end while they grow.
 *
 * Of a long chat the last turns are mounted at once and the others when one scrolls up to them:
 * opening it costs what one sees. What is mounted but not on the screen is not laid out.
 */
import { ArrowDown } from "lucide-react";
import { type ReactNode, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";

import { IconButton } from "@/ui";

import { EMPTY, pathOf, placeOf } from "../core/tree";
import { whenQuiet } from "../idle";
import { useChats } from "../live/chats";
import { Answer } from "./Answer";
import { Question } from "./Question";
import { useSticky } from "./useSticky";

/** So many turns are mounted at once, then more while the page is quiet, and when one reaches the top. */
const TURNS_FIRST = 4;
const TURNS_MORE = 4;

/** Until there are so many: then it waits for the reader. */
const TURNS_AT_ONCE = 24;

export interface PaneProps {
  pane: number;
  onWhy: ((jobId: string) => void) | null;
  editing: string | null;
  onEditing: (turn: string | null) => void;
  /** Shown in the place of turns where there are none. */
  empty: ReactNode;
}

export function Pane({ pane, onWhy, editing, onEditing, empty }: PaneProps) {
  const tree = useChats((state) => state.trees[pane] ?? EMPTY);
  const chat = useChats((state) => state.chat.id);
  const runs = useChats((state) => state.runs);
  const path = useMemo(() => pathOf(tree), [tree]);
  const sticky = useSticky(`${chat} ${path.length > 0 ? "" : "empty"}`);
  const { shown, top } = useTail(chat, path.length, sticky.scroller);
  const from = Math.max(0, path.length - shown);
  // What one has just asked is to be seen, wherever one had scrolled to.
  const asked = path.findLast((turn) => turn.role === "user")?.id;
  const { toEnd } = sticky;
  useEffect(() => toEnd(), [asked, toEnd]);

  return (
    <div className="relative flex min-h-0 min-w-0 flex-1 flex-col">
      {/* A list that is scrolled by keys, too. */}
      <div
        ref={sticky.scroller}
        // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        tabIndex={0}
        role="log"
        aria-label="Conversation"
        aria-live="off"
        className="min-h-0 flex-1 overflow-y-auto overflow-x-hidden [overflow-anchor:auto] focus-visible:-outline-offset-2"
      >
        <div
          ref={sticky.content}
          className="mx-auto flex w-full max-w-[780px] flex-col gap-3 px-4 pb-8 pt-5 sm:px-6"
        >
          {path.length === 0 ? empty : null}
          {from > 0 ? (
            <p ref={top} className="text-center text-xs text-faint">
              Earlier turns …
            </p>
          ) : null}
          {path
            .slice(from)
            .map((turn, index) =>
              turn.role === "user" ? (
                <Question
                  key={turn.id}
                  pane={pane}
                  turn={turn}
                  place={placeOf(tree, turn.id)}
                  editing={editing === turn.id}
                  onEditing={onEditing}
                />
              ) : (
                <Answer
                  key={turn.id}
                  pane={pane}
                  turn={turn}
                  place={placeOf(tree, turn.id)}
                  run={runs.get(turn.id) ?? null}
                  last={from + index === path.length - 1}
                  onWhy={onWhy}
                  onGrown={sticky.follow}
                />
              ),
            )}
        </div>
      </div>
      {sticky.atEnd ? null : (
        <IconButton
          label="To the end"
          icon={<ArrowDown />}
          variant="secondary"
          className="absolute bottom-3 left-1/2 -translate-x-1/2 rounded-full shadow-pop"
          onClick={toEnd}
        />
      )}
    </div>
  );
}

/** How many of the last turns are mounted, and the mark at the top that asks for more. */
function useTail(chat: string, count: number, scroller: React.RefObject<HTMLDivElement | null>) {
  const [tail, setTail] = useState({ chat, shown: TURNS_FIRST });
  // Another chat begins anew, also when one comes back to it.
  if (tail.chat !== chat) setTail({ chat, shown: TURNS_FIRST });
  const { shown } = tail;
  const top = useRef<HTMLParagraphElement>(null);
  const fromEnd = useRef<number | null>(null);
  useEffect(() => {
    const mark = top.current;
    const root = scroller.current;
    if (!mark || !root) return undefined;
    const more = (turns: number) => {
      fromEnd.current = root.scrollHeight - root.scrollTop;
      setTail({ chat, shown: shown + turns });
    };
    const observer = new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => entry.isIntersecting)) more(TURNS_MORE);
      },
      { root, rootMargin: "600px 0px 0px" },
    );
    observer.observe(mark);
    const callOff = shown < TURNS_AT_ONCE ? whenQuiet(() => more(TURNS_MORE)) : null;
    return () => {
      observer.disconnect();
      callOff?.();
    };
  }, [chat, shown, count, scroller]);
  // What one reads stays where it is: the new turns grow upwards.
  useLayoutEffect(() => {
    const root = scroller.current;
    if (!root || fromEnd.current === null) return;
    root.scrollTop = root.scrollHeight - fromEnd.current;
    fromEnd.current = null;
  }, [shown, scroller]);
  return { shown, top };
}
