/**
 * A text of Markdown that is finished or grows. One component for both, and one memory of blocks by
 * the text's name: when an answer ends nothing is drawn anew.
 */
import { memo, useEffect, useState } from "react";

import { whenQuiet } from "../idle";
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

/** So many groups are drawn at once, those at the text's end; the others come when the page is quiet. */
const GROUPS_AT_ONCE = 4;
const GROUPS_MORE = 3;

export const Markdown = memo(function Markdown({ name, text, growing = false }: MarkdownProps) {
  const groups = blocksOf(name).grouped(text, !growing);
  const from = useEarlier(groups.length);
  return (
    <div className="prose" data-growing={growing || undefined}>
      {groups.map((group, index) => (
        <GroupView key={group.key} group={group} drawn={index >= from} />
      ))}
    </div>
  );
});

/**
 * From which group on the text is drawn. Opening an answer of 30,000 tokens would else be a task of
 * 200 ms; what one sees of it first is its end.
 */
function useEarlier(count: number): number {
  const [from, setFrom] = useState(() => Math.max(0, count - GROUPS_AT_ONCE));
  useEffect(() => {
    if (from === 0) return undefined;
    return whenQuiet(() => setFrom(Math.max(0, from - GROUPS_MORE)));
  }, [from]);
  return from;
}

/**
 * A group keeps its identity once it is full: then it renders no more. Where it is not drawn yet it
 * has the height that it is guessed to have, which is that of one that is drawn but was never seen.
 */
const GroupView = memo(function GroupView({ group, drawn }: { group: Group; drawn: boolean }) {
  const height = `${group.lines ?? 0}lh`;
  if (!drawn) return <div className="md-group" style={{ height }} />;
  return (
    <div
      className="md-group"
      style={group.lines === null ? undefined : { containIntrinsicBlockSize: `auto ${height}` }}
    >
      {group.blocks.map((each) => (
        <BlockView key={each.key} token={each.token} open={each.open} />
      ))}
    </div>
  );
});
