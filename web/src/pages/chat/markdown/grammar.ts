/**
 * The Markdown that models write: GFM, and maths between dollars or TeX's brackets.
 *
 * One parser of our own beside the library's global one. It makes tokens, never HTML: `Blocks`
 * cuts a text into them and `render` makes React elements, so nothing that a model writes is ever
 * taken for markup of the page.
 */
import { Marked, type Token, type TokenizerAndRendererExtension } from "marked";

/** A formula. `display` stands on its own line. */
export interface MathToken {
  type: "maths";
  raw: string;
  tex: string;
  display: boolean;
}

/** `$$ … $$` or `\[ … \]` as a block. */
const BLOCK = /^ {0,3}(?:\$\$([\s\S]+?)\$\$|\\\[([\s\S]+?)\\\]) *(?:\n+|$)/;

/** In a line: TeX's brackets, doubled dollars, or one dollar that is not a price. */
const INLINE =
  /^(?:\\\(([^\n]+?)\\\)|\\\[([^\n]+?)\\\]|\$\$([^\n]+?)\$\$|\$(?![\s\d.,]*\s)((?:\\.|[^$\\\n])+?)(?<!\s)\$(?!\d))/;

const blockMaths: TokenizerAndRendererExtension = {
  name: "maths",
  level: "block",
  start: (source) => /(?:^|\n) {0,3}(?:\$\$|\\\[)/.exec(source)?.index,
  tokenizer(source) {
    const found = BLOCK.exec(source);
    const tex = found?.[1] ?? found?.[2];
    if (!found || tex === undefined) return undefined;
    return { type: "maths", raw: found[0], tex: tex.trim(), display: true };
  },
};

const inlineMaths: TokenizerAndRendererExtension = {
  name: "inlineMaths",
  level: "inline",
  start: (source) => /\$|\\\(|\\\[/.exec(source)?.index,
  tokenizer(source) {
    const found = INLINE.exec(source);
    if (!found) return undefined;
    const tex = found[1] ?? found[2] ?? found[3] ?? found[4] ?? "";
    return { type: "maths", raw: found[0], tex: tex.trim(), display: found[2] !== undefined };
  },
};

const parser = new Marked({ gfm: true, extensions: [blockMaths, inlineMaths] });

/** The blocks of a text. Their `raw` parts joined are the text. */
export function lex(text: string): Token[] {
  return parser.lexer(text);
}
