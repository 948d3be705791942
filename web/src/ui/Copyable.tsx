/** What one wants to take along: a short value with a copy button, and a block of code with one. */
import { Check, Copy, X } from "lucide-react";
import { useState, type ReactNode } from "react";

import { IconButton } from "./Button";
import { cn } from "./cn";

/** Puts text into the clipboard, also where the page is not a secure one (plain HTTP in a LAN). */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const before = document.activeElement;
    const area = document.createElement("textarea");
    area.value = text;
    area.style.position = "fixed";
    area.style.opacity = "0";
    // Inside an open dialog the focus may not leave it.
    (before?.closest('[role="dialog"]') ?? document.body).append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    if (before instanceof HTMLElement) before.focus({ preventScroll: true });
    return done;
  }
}

const SAID = { copied: "Copied", refused: "The browser refuses to copy: select it by hand" };

export function CopyButton({
  text,
  label = "Copy",
  className,
}: {
  /** The text, or what gives it: for a text that grows. */
  text: string | (() => string);
  label?: string;
  className?: string;
}) {
  const [done, setDone] = useState<"copied" | "refused" | null>(null);
  const copy = async () => {
    setDone((await copyText(typeof text === "string" ? text : text())) ? "copied" : "refused");
    setTimeout(() => setDone(null), 1500);
  };
  return (
    <IconButton
      label={done === null ? label : SAID[done]}
      icon={
        done === null ? (
          <Copy />
        ) : done === "copied" ? (
          <Check className="text-ok" />
        ) : (
          <X className="text-bad" />
        )
      }
      size="sm"
      className={className}
      onClick={copy}
    />
  );
}

/** A value in its own type that can be copied: an id, an address, a key. */
export function Copyable({
  text,
  shown,
  className,
}: {
  text: string;
  shown?: ReactNode;
  className?: string;
}) {
  return (
    <span className={cn("inline-flex min-w-0 max-w-full items-center gap-0.5", className)}>
      <code className="min-w-0 truncate font-mono text-xs" title={text}>
        {shown ?? text}
      </code>
      <CopyButton text={text} label="Copy" className="size-6 max-md:-my-2 max-md:size-10" />
    </span>
  );
}

/** A block of code or a command line, with a copy button. */
export function CodeBlock({
  code,
  label = "Code",
  wrap,
  className,
}: {
  code: string;
  label?: string;
  wrap?: boolean;
  className?: string;
}) {
  return (
    <div className={cn("group relative min-w-0 rounded-md border bg-bg", className)}>
      {/* Scrolls sideways by itself: reachable by keyboard for that. */}
      <pre
        // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a region that scrolls must be reachable
        tabIndex={0}
        role="region"
        aria-label={label}
        className={cn(
          "overflow-x-auto p-3 pr-11 font-mono text-xs leading-5",
          wrap && "whitespace-pre-wrap break-words",
        )}
      >
        <code>{code}</code>
      </pre>
      <CopyButton
        text={code}
        label={`Copy ${label.toLowerCase()}`}
        className="absolute right-1.5 top-1.5 bg-bg"
      />
    </div>
  );
}
