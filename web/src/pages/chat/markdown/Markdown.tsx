/**
 * A text of Markdown that is finished or grows. One component for both, and one memory of blocks by
 * the text's name: when an answer ends nothing is drawn anew.
 */
import { memo } from "react";

import { blocksOf } from "./blocks";
import type { Group } from "./groups";
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
        .grouped(text, !growing)
        .map((group) => (
          <GroupView key={group.key} group={group} />
        ))}
    </div>
  );
});

/** A group keeps its identity once it is full: then it renders no more. */
const GroupView = memo(function GroupView({ group }: { group: Group }) {
  const guess = group.lines === null ? undefined : { containIntrinsicBlockSize: `auto ${group.lines}lh` };
  return (
    <div className="md-group" style={guess}>
      {group.blocks.map((each) => (
        <BlockView key={each.key} token={each.token} open={each.open} />
      ))}
    </div>
  );
});
