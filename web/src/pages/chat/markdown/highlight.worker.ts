/**
 * Colours code beside the page: a long block takes longer than a frame, and the page has others to
 * draw meanwhile. Texts come from `colours.ts`; slices of pieces go back, none for a language that
 * is not known.
 */
import { highlight } from "./highlight";
import { type Coloured, colouredSlices } from "./slices";

export interface Asked {
  id: number;
  code: string;
  language: string;
  /** Slices before it are coloured already. */
  from: number;
}

export interface Told {
  id: number;
  found: Coloured[] | null;
  /** How long it took, ms. */
  tookMs: number;
}

addEventListener("message", ({ data }: MessageEvent<Asked>) => {
  const began = performance.now();
  const pieces = highlight(data.code, data.language);
  const found = pieces && colouredSlices(pieces).slice(data.from);
  postMessage({ id: data.id, found, tookMs: performance.now() - began } satisfies Told);
});
