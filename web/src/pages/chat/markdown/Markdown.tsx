/**
 * A text of Markdown that is finished or grows. One component for both, and one memory of blocks by
 * the text's name: when an answer ends nothing is drawn anew.
 */
import { memo } from "react";

import { blocksOf } from "./blocks";
import { BlockView } from "./render";

export interface MarkdownProps {
  /** What names the text: a turn's id. */
  name: string;
  text: string;
  /** Whether more will come. */
  growing?: boolean;
}

export const Markdown = memo(function Markdown({ name, text, growing = false }: MarkdownProps) {
  return (
    <div className="prose" data-growing={growing || undefined}>
      {blocksOf(name)
        .feed(text, !growing)
        .map((each) => (
          <BlockView key={each.key} token={each.token} open={each.open} />
        ))}
    </div>
  );
});
