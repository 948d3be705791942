/**
 * Joins class names; where two utilities contradict each other, the later one counts.
 *
 * Which ones do is known here for what the kit lets others change: sizes, spaces, places, colours, type.
 * The libraries that know all of Tailwind weigh more than the rest of the kit.
 */
import { clsx, type ClassValue } from "clsx";

const BY_PREFIX =
  /^-?(size|min-w|max-w|min-h|max-h|w|h|px|py|pt|pr|pb|pl|p|mx|my|mt|mr|mb|ml|m|gap-x|gap-y|gap|inset-x|inset-y|inset|top|right|bottom|left|z|opacity|rounded|shadow|leading|tracking|grid-cols|grid-rows|col-span|row-span|items|justify|self|overflow-x|overflow-y|overflow|whitespace|line-clamp|cursor|outline-offset|translate-x|translate-y|animate|bg)-/;
const DISPLAY = /^(block|inline|inline-block|flex|inline-flex|grid|inline-grid|contents|hidden)$/;
const POSITION = /^(static|relative|absolute|fixed|sticky)$/;
const SIZE_OF_TEXT = /^text-(2xs|xs|sm|base|lg|xl|2xl)$/;
const PLACE_OF_TEXT = /^text-(left|right|center|start|end)$/;
const WEIGHT = /^font-(light|normal|medium|semibold|bold)$/;
const WIDTH_OF_BORDER = /^border(-[trblxy])?(-\d+)?$/;

/** What a utility sets; null: it contradicts nothing that is known here. */
function sets(utility: string): string | null {
  const prefix = BY_PREFIX.exec(utility)?.[1];
  if (prefix !== undefined) return prefix;
  if (DISPLAY.test(utility)) return "display";
  if (POSITION.test(utility)) return "position";
  if (SIZE_OF_TEXT.test(utility)) return "text size";
  if (PLACE_OF_TEXT.test(utility)) return "text place";
  if (WEIGHT.test(utility)) return "weight";
  if (utility.startsWith("text-")) return "text color";
  if (utility.startsWith("border-") && !WIDTH_OF_BORDER.test(utility)) return "border color";
  return null;
}

/** "hover:bg-raised" is cut at its last colon that stands outside brackets. */
function cut(name: string): [variants: string, utility: string] {
  let depth = 0;
  for (let at = name.length - 1; at >= 0; at -= 1) {
    const letter = name[at];
    if (letter === "]" || letter === ")") depth += 1;
    else if (letter === "[" || letter === "(") depth -= 1;
    else if (letter === ":" && depth === 0) return [name.slice(0, at), name.slice(at + 1)];
  }
  return ["", name];
}

export function cn(...parts: ClassValue[]): string {
  const names = clsx(parts).split(" ").filter(Boolean);
  const taken = new Set<string>();
  const kept: string[] = [];
  for (const name of names.reverse()) {
    const [variants, utility] = cut(name);
    const what = sets(utility);
    if (what !== null) {
      const key = `${variants} ${what}`;
      if (taken.has(key)) continue;
      taken.add(key);
    }
    kept.push(name);
  }
  return kept.reverse().join(" ");
}
