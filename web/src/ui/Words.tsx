/** Sentences of the servers: what stands in `backticks` is set as code. */
import { Children, type ReactNode } from "react";

export function Words({ text }: { text: string }) {
  return text.split("`").map((part, at) =>
    at % 2 === 1 ? (
      <code key={at} className="rounded-sm bg-raised px-1 font-mono text-[0.92em] break-words">
        {part}
      </code>
    ) : (
      part
    ),
  );
}

/** The same for whatever a component was given: its strings as `Words`, the rest as it is. */
export function inWords(given: ReactNode): ReactNode {
  return Children.map(given, (part) => (typeof part === "string" ? <Words text={part} /> : part));
}
