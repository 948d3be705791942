/** What a person asked: its words, its pictures, and an editor that makes a branch of it. */
import { Pencil } from "lucide-react";
import { memo, useEffect, useRef, useState } from "react";

import { Button, CopyButton, IconButton } from "@/ui";

import type { Place } from "../core/tree";
import type { Turn } from "../core/types";
import { edit } from "../live/talk";
import { Branches } from "./Branches";

export interface QuestionProps {
  pane: number;
  turn: Turn;
  place: Place;
  editing: boolean;
  onEditing: (turn: string | null) => void;
}

export const Question = memo(function Question({ pane, turn, place, editing, onEditing }: QuestionProps) {
  if (editing) return <Editor pane={pane} turn={turn} onDone={() => onEditing(null)} />;
  return (
    <article className="turn group mt-4 flex flex-col items-end gap-1 first:mt-0" aria-label="You">
      {turn.attachments ? <Files turn={turn} /> : null}
      {turn.text === "" ? null : (
        <div className="max-w-[85%] whitespace-pre-wrap rounded-xl rounded-br-sm bg-raised px-3.5 py-2 text-[15px] leading-6 [overflow-wrap:anywhere]">
          {turn.text}
        </div>
      )}
      <div className="turn-tools flex items-center">
        <Branches pane={pane} turn={turn.id} place={place} what="question" />
        <IconButton label="Edit" icon={<Pencil />} size="sm" onClick={() => onEditing(turn.id)} />
        <CopyButton text={turn.text} label="Copy" />
      </div>
    </article>
  );
});

function Files({ turn }: { turn: Turn }) {
  return (
    <div className="flex max-w-[85%] flex-wrap justify-end gap-2">
      {turn.attachments?.map((file, index) =>
        file.kind === "image" ? (
          <img key={index} src={file.url} alt={file.name} className="max-h-52 max-w-full rounded-lg border" />
        ) : (
          // What was said into a microphone has no captions.
          // eslint-disable-next-line jsx-a11y/media-has-caption
          <audio key={index} src={file.url} controls aria-label={file.name} />
        ),
      )}
    </div>
  );
}

function Editor({ pane, turn, onDone }: { pane: number; turn: Turn; onDone: () => void }) {
  const [text, setText] = useState(turn.text);
  const box = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    const element = box.current;
    element?.focus();
    element?.setSelectionRange(element.value.length, element.value.length);
  }, []);
  const empty = text.trim() === "" && !turn.attachments;
  const done = () => {
    if (empty) return;
    onDone();
    edit(pane, turn, text);
  };
  return (
    <article className="turn flex flex-col gap-2" aria-label="Editing your question">
      <textarea
        ref={box}
        aria-label="Your question"
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") onDone();
          if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
            event.preventDefault();
            done();
          }
        }}
        className="max-h-[50dvh] min-h-20 w-full resize-none rounded-xl border border-line-strong bg-surface px-3.5 py-2.5 text-[15px] leading-6 [field-sizing:content]"
      />
      <div className="flex items-center justify-end gap-2">
        <span className="mr-auto text-xs text-faint">The first version stays: arrows lead back to it.</span>
        <Button size="sm" onClick={onDone}>
          Cancel
        </Button>
        <Button size="sm" variant="primary" onClick={done} disabled={empty}>
          Ask
        </Button>
      </div>
    </article>
  );
}
