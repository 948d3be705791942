/** A text with the words that were looked for marked in it. */
import { Fragment } from "react";

export function Marked({ text, words }: { text: string; words: readonly string[] }) {
  if (words.length === 0) return text;
  const pattern = new RegExp(
    `(${words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|")})`,
    "gi",
  );
  return text.split(pattern).map((part, at) =>
    at % 2 === 1 ? (
      <mark key={at} className="rounded-[2px] bg-accent text-accent-ink">
        {part}
      </mark>
    ) : (
      <Fragment key={at}>{part}</Fragment>
    ),
  );
}
