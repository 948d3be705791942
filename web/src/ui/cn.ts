/** Joins class names; where two utilities contradict each other, the later one counts. */
import { clsx, type ClassValue } from "clsx";
import { extendTailwindMerge } from "tailwind-merge";

// Our own text sizes look like colours to tailwind-merge unless it is told.
const merge = extendTailwindMerge({ extend: { classGroups: { "font-size": [{ text: ["2xs"] }] } } });

export function cn(...parts: ClassValue[]): string {
  return merge(clsx(parts));
}
