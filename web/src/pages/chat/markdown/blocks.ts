/**
 * A text that grows, as blocks of which only the last one is ever parsed again.
 *
 * What costs in a long answer is not the new word but reading all the old ones anew. Markdown can
 * be cut at the top level: a block that another one follows never changes. So finished blocks keep
 * their identity (their components do not render again), and each frame parses the tail alone. Two
 * kinds of tail may themselves be long: an open code fence is not parsed at all, and a long list is
 * cut between its items.
 */
import type { Token, Tokens } from "marked";

import { lex } from "./grammar";
import { type Group, Groups } from "./groups";

/** A piece of the text that is shown as one component. `key` grows and never changes. */
export interface Block {
  key: number;
  token: Token;
  /** Whether more text may still change it. */
  open: boolean;
}

/** A list longer than this is cut between its items: parsing it each frame would be felt. */
const LIST_CHARS_MAX = 4_000;

/** A last line that may still become something else (a rule, a heading, a list) is not shown yet. */
const UNDECIDED = /\n {0,3}(?:[-=*_+#>|~`]{1,3}|\d{1,3}[.)]?) *$/;

const FENCE = /^( {0,3})(`{3,}|~{3,})([^\n]*)\n/;

export class Blocks {
  private done: Block[] = [];
  private from = 0;
  private text = "";
  private key = 0;
  /** How far an open fence was searched for its end. */
  private searched = 0;
  private ended = false;
  /** Where the last block begins that was only finished because the text ended. */
  private seam = { from: 0, key: 0 };
  private readonly groups = new Groups();

  /** The blocks of `text` in groups: see `feed`. */
  grouped(text: string, ended: boolean): Group[] {
    return this.groups.of(this.feed(text, ended));
  }

  /**
   * The blocks of `text`, which begins with what was fed before (else all begins anew).
   * `ended`: no more will come, so the tail is finished too.
   */
  feed(text: string, ended: boolean): Block[] {
    if (this.ended && ended && text === this.text) return this.done;
    if (!text.startsWith(this.text)) this.goBack({ from: 0, key: 0 });
    // An answer that goes on after its end goes on in its last block, which was finished.
    else if (this.ended) this.goBack(this.seam);
    this.text = text;
    this.ended = ended;
    const tail = this.tail(ended);
    return ended ? this.done : [...this.done, ...tail];
  }

  /** Whether it has read this very text to its end. */
  knows(text: string): boolean {
    return this.ended && this.text === text;
  }

  /** Read again from a place where a block begins; `key` blocks come before it. */
  private goBack(to: { from: number; key: number }): void {
    this.done = this.done.slice(0, to.key);
    this.from = to.from;
    this.key = to.key;
    this.searched = 0;
  }

  private tail(ended: boolean): Block[] {
    for (;;) {
      const rest = this.text.slice(this.from);
      if (rest === "") return [];
      const code = this.openFence(rest, ended);
      if (code) return [{ key: this.key, token: code, open: true }];
      const tokens = lex(ended ? rest : mended(rest));
      const last = lastIndex(tokens);
      if (ended) return this.finished(tokens, tokens.length, true);
      const [token] = tokens;
      if (last <= 0 && token?.type === "list" && this.cutList(token as Tokens.List)) continue;
      return this.finished(tokens, last, false);
    }
  }

  /** Keep the first `count` tokens for good; give the others. */
  private finished(tokens: Token[], count: number, ended: boolean): Block[] {
    const last = lastIndex(tokens);
    tokens.slice(0, count).forEach((token, index) => {
      if (ended && index === last) this.seam = { from: this.from, key: this.key };
      this.from += token.raw.length;
      this.keep(token);
    });
    if (ended) return [];
    const open: Block[] = [];
    for (const token of tokens.slice(count)) {
      if (token.type !== "space") open.push({ key: this.key + open.length, token, open: true });
    }
    return open;
  }

  private keep(token: Token): void {
    this.searched = 0;
    if (token.type === "space") return;
    this.done.push({ key: this.key, token, open: false });
    this.key += 1;
  }

  /** A code block that is not closed yet, made without parsing it. */
  private openFence(rest: string, ended: boolean): Tokens.Code | null {
    const opening = FENCE.exec(rest);
    if (!opening || ended) return null;
    const mark = opening[2] ?? "```";
    const closing = new RegExp(`\\n {0,3}${mark[0] ?? "`"}{${mark.length},}[ \\t]*(?:\\n|$)`, "g");
    // Back by one line: the mark may have come in pieces.
    closing.lastIndex = Math.max(opening[0].length - 1, this.searched - 128);
    if (closing.exec(rest)) return null;
    this.searched = rest.length;
    return {
      type: "code",
      raw: rest,
      lang: (opening[3] ?? "").trim(),
      text: rest.slice(opening[0].length).replace(/\n {0,3}[`~]{1,2}$/, ""),
    };
  }

  /** Finish the items of a long list but the last one; false where nothing could be cut. */
  private cutList(list: Tokens.List): boolean {
    if (list.raw.length < LIST_CHARS_MAX || list.items.length < 2) return false;
    const items = list.items.slice(0, -1);
    const raw = items.map((item) => item.raw).join("");
    if (!this.text.startsWith(raw, this.from)) return false;
    this.from += raw.length;
    this.keep({ ...list, raw, items });
    return true;
  }
}

const FORMULA_CHARS_MAX = 800;

/** Marks that open in a paragraph's last line and close in words that are still to come. */
const OPEN_MARKS = ["**", "`", "~~"];

/**
 * A tail as it is shown while it grows: without a line that may become anything, and with its marks
 * closed, so that no stars stand there until the words behind them come. Only the last block differs
 * from the text, and that one is never kept.
 */
function mended(rest: string): string {
  const shown = rest.replace(UNDECIDED, "\n");
  const from = shown.lastIndexOf("\n\n") + 1;
  const block = shown.slice(from);
  if (block.includes("```")) return shown;
  // A formula is drawn when it is whole; a long one that never ends is shown as it is.
  if (block.split("$$").length % 2 === 0) {
    const begun = shown.lastIndexOf("$$");
    return shown.length - begun < FORMULA_CHARS_MAX ? shown.slice(0, begun) : shown;
  }
  const open = OPEN_MARKS.filter((mark) => block.split(mark).length % 2 === 0);
  // Stars in open code are no marks.
  const closing = open.includes("`") ? "`" : open.join("");
  // A mark with nothing behind it yet would be taken for text.
  const bare = shown.replace(/(?:\*{1,3}|`|~~)$/, "");
  return closing === "" || bare !== shown ? (closing === "" ? shown : bare) : shown + closing;
}

/** The index of the last token that is no blank: what stands before it is finished. */
function lastIndex(tokens: readonly Token[]): number {
  for (let index = tokens.length - 1; index >= 0; index -= 1) {
    if (tokens[index]?.type !== "space") return index;
  }
  return 0;
}

/** Of how many texts the blocks are remembered: more than a screen shows. */
const REMEMBERED_MAX = 400;

const remembered = new Map<string, Blocks>();

/** The blocks of one text by its name: kept, so that a text that ends is not parsed once more. */
export function blocksOf(name: string): Blocks {
  const known = remembered.get(name);
  if (known) return known;
  if (remembered.size >= REMEMBERED_MAX) {
    for (const oldest of [...remembered.keys()].slice(0, REMEMBERED_MAX / 2)) remembered.delete(oldest);
  }
  const made = new Blocks();
  remembered.set(name, made);
  return made;
}

/** So much is read at a time: about 15 ms. */
const AHEAD_CHARS = 16_000;

/**
 * Read a long text in parts, with a pause between them, before it is shown: at once it would be a
 * task of a quarter of a second. `pause` lets the page do something else; false: do not go on.
 */
export async function readAhead(name: string, text: string, pause: () => Promise<boolean>): Promise<void> {
  if (text.length <= AHEAD_CHARS) return;
  const blocks = blocksOf(name);
  if (blocks.knows(text)) return;
  for (let end = AHEAD_CHARS; end < text.length; end += AHEAD_CHARS) {
    blocks.feed(text.slice(0, end), false);
    if (!(await pause())) return;
  }
  blocks.feed(text, true);
}
