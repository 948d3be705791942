/**
 * Blocks as groups of about a screen each: what the browser lays out or leaves out as one.
 *
 * A browser looks at each frame whether anything with `content-visibility` came near the screen.
 * With one such element a block, a long answer had a thousand of them, and looking at them cost more
 * than all the rest of a frame. A group that is full never changes and keeps its identity: neither
 * React nor the browser touches it again.
 */
import type { Block } from "./blocks";

export interface Group {
  /** Its place among the groups of its text. */
  key: number;
  blocks: readonly Block[];
  /** Lines that it is about high; null while more may come. */
  lines: number | null;
}

/** A group is full with so many lines: a screen and a half, so that two or three are drawn. */
export const GROUP_LINES = 48;

/** Characters of a line in the column: only for a guess at the height of what was never drawn. */
const LINE_CHARS = 88;

/** What a block takes beside its lines: the gap above it. */
const GAP_LINES = 0.5;

export class Groups {
  private full: Group[] = [];
  /** Of the blocks so many are in full groups. */
  private taken = 0;

  /** The groups of a text's blocks: those of before with what came since. */
  of(blocks: readonly Block[]): Group[] {
    this.forget(blocks);
    let from = this.taken;
    let lines = 0;
    for (let at = from; at < blocks.length; at += 1) {
      const block = blocks[at];
      if (!block || block.open) break;
      lines += linesOf(block.token.raw);
      if (lines < GROUP_LINES) continue;
      this.full = [...this.full, { key: this.full.length, blocks: blocks.slice(from, at + 1), lines }];
      from = this.taken = at + 1;
      lines = 0;
    }
    if (from === blocks.length) return this.full;
    const rest = blocks.slice(from);
    const growing = rest.at(-1)?.open ?? false;
    return [...this.full, { key: this.full.length, blocks: rest, lines: growing ? null : lines }];
  }

  /** Drop the full groups whose blocks are no longer those of the text. */
  private forget(blocks: readonly Block[]): void {
    for (;;) {
      const last = this.full.at(-1);
      if (!last || last.blocks.at(-1) === blocks[this.taken - 1]) return;
      this.full = this.full.slice(0, -1);
      this.taken -= last.blocks.length;
    }
  }
}

/** About how many lines a block takes. */
export function linesOf(raw: string): number {
  const text = raw.trimEnd();
  let lines = GAP_LINES;
  for (let from = 0; from <= text.length;) {
    const end = text.indexOf("\n", from);
    const to = end < 0 ? text.length : end;
    lines += Math.max(1, Math.ceil((to - from) / LINE_CHARS));
    from = to + 1;
  }
  return lines;
}
