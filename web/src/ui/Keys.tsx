/** Keys as they are pressed: "g w" one after the other, "mod+k" together (⌘ on a Mac, Ctrl elsewhere). */
import { cn } from "./cn";

const IS_MAC = typeof navigator !== "undefined" && /Mac|iPhone|iPad/.test(navigator.userAgent);
const NAMES: Record<string, string> = {
  mod: IS_MAC ? "⌘" : "Ctrl",
  shift: "⇧",
  enter: "↵",
  escape: "Esc",
  arrowup: "↑",
  arrowdown: "↓",
  space: "Space",
};

export function Keys({ keys, className }: { keys: string; className?: string }) {
  const pressed = keys.split(" ").flatMap((chord) => chord.split(/(?<=.)\+/));
  return (
    <span className={cn("inline-flex shrink-0 items-center gap-0.5", className)}>
      {pressed.map((key, at) => (
        <kbd
          key={at}
          className="inline-flex h-[18px] min-w-[18px] items-center justify-center rounded-sm border border-line-strong bg-raised px-1 font-sans text-2xs text-muted"
        >
          {NAMES[key.toLowerCase()] ?? (key.length === 1 ? key.toUpperCase() : key)}
        </kbd>
      ))}
    </span>
  );
}
