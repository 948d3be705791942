/**
 * Code as slices of lines: what is finished of a block that grows never renders again, what is far
 * from the screen is not laid out. Pure; the page and the worker that colours cut alike.
 */

export const SLICE_LINES = 64;

/** A run of text and its class; `""` where it has none. */
export type Piece = readonly [text: string, kind: string];

/** The colours of the beginning of a slice: what came since is shown plain behind it. */
export interface Coloured {
  text: string;
  pieces: readonly Piece[];
}

/** The slices of a code text; joined they are the text. */
export function slices(code: string): string[] {
  const found: string[] = [];
  let from = 0;
  for (let at = code.indexOf("\n"), lines = 1; at >= 0; at = code.indexOf("\n", at + 1), lines += 1) {
    if (lines % SLICE_LINES === 0) {
      found.push(code.slice(from, at + 1));
      from = at + 1;
    }
  }
  found.push(code.slice(from));
  return found;
}

/** The pieces of a code text cut where its slices are; a piece over an edge (a long string) twice. */
export function colouredSlices(pieces: readonly Piece[]): Coloured[] {
  const texts = slices(pieces.map(([text]) => text).join(""));
  let index = 0;
  let used = 0; // characters of the piece at `index`
  return texts.map((text) => {
    const own: Piece[] = [];
    for (let left = text.length; left > 0;) {
      const [whole = "", kind = ""] = pieces[index] ?? [];
      const part = whole.slice(used, used + left);
      if (part !== "") own.push([part, kind]);
      left -= part.length;
      used += part.length;
      if (used >= whole.length) {
        index += 1;
        used = 0;
      }
    }
    return { text, pieces: own };
  });
}

/**
 * Colours with newer ones from slice `from` on. A slice of which nothing changed keeps its identity.
 */
export function withColours(
  known: readonly Coloured[],
  from: number,
  newer: readonly Coloured[],
): readonly Coloured[] {
  return [
    ...known.slice(0, from),
    ...newer.map((each, index) => {
      const before = known[from + index];
      return before && same(before, each) ? before : each;
    }),
  ];
}

function same(one: Coloured, other: Coloured): boolean {
  return (
    one.text === other.text &&
    one.pieces.length === other.pieces.length &&
    one.pieces.every(([, kind], index) => kind === other.pieces[index]?.[1])
  );
}
