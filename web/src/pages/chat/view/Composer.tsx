/**
 * Where one writes: grows with its text, sends with Enter, keeps a draft for each chat, takes
 * pictures and sounds where the model may. What is typed is this component's own state: nothing
 * else of the page renders for a letter.
 */
import { ArrowUp, Paperclip, SlidersHorizontal, Square, X } from "lucide-react";
import { type ClipboardEvent, type KeyboardEvent, useCallback, useEffect, useRef, useState } from "react";

import { toast } from "@/app";
import { cn, format, IconButton, Tooltip } from "@/ui";

import type { Attachment, Sampling } from "../core/types";
import { ACCEPTED, attachmentOf, checkTogether } from "../live/attach";
import { draftOf, keepDraft } from "../live/kept";

export interface ComposerProps {
  chat: string;
  running: boolean;
  /** Why nothing can be sent; null when it can. */
  blocked: string | null;
  /** Whether the model takes pictures and sounds; null: nobody knows. */
  media: boolean | null;
  sampling: Sampling;
  onSend: (text: string, attachments: Attachment[]) => void;
  onStop: () => void;
  onEditLast: () => void;
  onSettings: () => void;
}

const DRAFT_MS = 400;

export function Composer(props: ComposerProps) {
  const { chat, running, blocked, media, onSend, onStop } = props;
  const [text, setText] = useState(() => draftOf(chat));
  const [files, showFiles] = useState<Attachment[]>([]);
  // Files are read one after the other: each is held against those before it.
  const held = useRef<readonly Attachment[]>(files);
  const setFiles = useCallback((next: Attachment[]) => {
    held.current = next;
    showFiles(next);
  }, []);
  const [over, setOver] = useState(false);
  const box = useRef<HTMLTextAreaElement>(null);
  const picker = useRef<HTMLInputElement>(null);
  useGrowing(box, text);
  useEffect(() => {
    const timer = setTimeout(() => keepDraft(chat, text), DRAFT_MS);
    return () => clearTimeout(timer);
  }, [chat, text]);
  useEffect(() => box.current?.focus({ preventScroll: true }), []);

  const attach = useCallback(
    async (list: Iterable<File>) => {
      if (media === false) {
        toast.problem({
          message: "This model takes no pictures or sounds.",
          remedy: "Choose one that does: its engine must load the model's eyes or ears.",
        });
        return;
      }
      for (const file of list) {
        try {
          const found = await attachmentOf(file);
          checkTogether(held.current, found);
          setFiles([...held.current, found]);
        } catch (error) {
          toast.problem(error);
        }
      }
    },
    [media, setFiles],
  );

  const empty = text.trim() === "" && files.length === 0;
  const submit = () => {
    if (empty || running || blocked !== null) return;
    onSend(text.trim(), files);
    setText("");
    setFiles([]);
    keepDraft(chat, "");
  };
  const pressed = (event: KeyboardEvent) => {
    if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
      event.preventDefault();
      submit();
    } else if (event.key === "Escape" && running) {
      event.preventDefault();
      onStop();
    } else if (event.key === "ArrowUp" && text === "") {
      event.preventDefault();
      props.onEditLast();
    }
  };
  const pasted = (event: ClipboardEvent) => {
    if (event.clipboardData.files.length === 0) return;
    event.preventDefault();
    void attach(event.clipboardData.files);
  };

  return (
    // Files can be dropped on it; the button does the same by keys.

    <div
      className={cn(
        "rounded-2xl border border-line-strong bg-surface transition-colors focus-within:border-faint",
        over && "border-accent",
      )}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        void attach(event.dataTransfer.files);
      }}
    >
      <Attached files={files} onRemove={(at) => setFiles(files.filter((_, index) => index !== at))} />
      <textarea
        ref={box}
        rows={1}
        aria-label="Message"
        aria-keyshortcuts="Enter"
        placeholder="Write a message …"
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={pressed}
        onPaste={pasted}
        className="block max-h-[40dvh] min-h-12 w-full resize-none bg-transparent px-4 pb-1 pt-3 text-[15px] leading-6 outline-none [field-sizing:content]"
      />
      <div className="flex items-center gap-1 px-2 pb-2">
        <input
          ref={picker}
          type="file"
          multiple
          accept={ACCEPTED}
          hidden
          aria-label="Pictures and sounds"
          onChange={(event) => {
            void attach([...(event.target.files ?? [])]);
            event.target.value = "";
          }}
        />
        <IconButton
          label={ATTACH[String(media)] ?? ""}
          icon={<Paperclip />}
          aria-disabled={media === false || undefined}
          onClick={() => (media === false ? void attach([]) : picker.current?.click())}
        />
        <IconButton
          label="Instructions and settings"
          icon={<SlidersHorizontal />}
          onClick={props.onSettings}
        />
        <Chips sampling={props.sampling} onClick={props.onSettings} />
        <span className="ml-auto shrink-0 text-2xs text-faint">
          <span className="hidden sm:inline">
            {blocked ?? (running ? "Esc stops" : "Enter sends · Shift+Enter new line")}
          </span>
        </span>
        {running ? (
          <Round label="Stop" onClick={onStop}>
            <Square className="size-3.5 fill-current" aria-hidden />
          </Round>
        ) : (
          <Round label={blocked ?? "Send"} onClick={submit} off={empty || blocked !== null}>
            <ArrowUp className="size-[18px]" aria-hidden />
          </Round>
        )}
      </div>
    </div>
  );
}

const ATTACH: Record<string, string> = {
  true: "Attach pictures or sounds",
  false: "This model takes text only",
  null: "Attach pictures or sounds (whether this model takes them is not known)",
};

function Round({
  label,
  onClick,
  off = false,
  children,
}: {
  label: string;
  onClick: () => void;
  off?: boolean;
  children: React.ReactNode;
}) {
  return (
    <Tooltip text={label}>
      <button
        type="button"
        aria-label={label}
        aria-disabled={off || undefined}
        onClick={onClick}
        className="ml-1 grid size-8 shrink-0 max-md:size-10 place-items-center rounded-full bg-accent text-accent-ink transition-opacity aria-disabled:bg-raised aria-disabled:text-faint"
      >
        {children}
      </button>
    </Tooltip>
  );
}

/** What is set apart from the usual, so that nobody wonders about odd answers. */
function Chips({ sampling, onClick }: { sampling: Sampling; onClick: () => void }) {
  const found = [
    sampling.system.trim() === "" ? null : "instructions",
    sampling.temperature === null ? null : `temperature ${sampling.temperature}`,
    sampling.topP === null ? null : `top-p ${sampling.topP}`,
    sampling.topK === null ? null : `top-k ${sampling.topK}`,
    sampling.maxTokens === null ? null : `at most ${format.count(sampling.maxTokens)}`,
    sampling.seed === null ? null : `seed ${sampling.seed}`,
    sampling.stop.length === 0 ? null : "stop words",
    sampling.json ? "JSON" : null,
    sampling.hiveId === null ? null : `first on ${sampling.hiveId}`,
  ].filter((each) => each !== null);
  if (found.length === 0) return null;
  return (
    <button
      type="button"
      onClick={onClick}
      aria-label={`Settings: ${found.join(", ")}`}
      className="min-w-0 truncate rounded-full border px-2 py-0.5 text-2xs text-muted hover:text-fg"
    >
      {found.join(" · ")}
    </button>
  );
}

function Attached({ files, onRemove }: { files: readonly Attachment[]; onRemove: (at: number) => void }) {
  if (files.length === 0) return null;
  return (
    <ul className="flex flex-wrap gap-2 px-3 pt-3" aria-label="Attached">
      {files.map((file, index) => (
        <li
          key={index}
          className="relative flex items-center gap-2 overflow-hidden rounded-lg border bg-raised text-xs"
        >
          {file.kind === "image" ? (
            <img src={file.url} alt={file.name} className="size-14 object-cover" />
          ) : (
            <span className="px-3 py-2">{file.name}</span>
          )}
          <button
            type="button"
            aria-label={`Remove ${file.name}`}
            onClick={() => onRemove(index)}
            className="absolute right-0.5 top-0.5 grid size-5 place-items-center rounded-full bg-overlay text-muted hover:text-fg"
          >
            <X className="size-3" aria-hidden />
          </button>
        </li>
      ))}
    </ul>
  );
}

/** Browsers without `field-sizing` are told the height of each text. */
function useGrowing(box: React.RefObject<HTMLTextAreaElement | null>, text: string): void {
  useEffect(() => {
    const element = box.current;
    if (!element || CSS.supports("field-sizing", "content")) return;
    element.style.height = "auto";
    element.style.height = `${element.scrollHeight}px`;
  }, [box, text]);
}
