/** KaTeX and its style, in a chunk of their own: most chats have no formula. */
import katex from "katex";
import "katex/dist/katex.min.css";

/** Macros may expand so often: a formula must not hang the page. */
const EXPANSIONS_MAX = 200;

/** Draw a formula into an element; false where it cannot be read. */
export function draw(tex: string, into: HTMLElement, display: boolean): boolean {
  try {
    katex.render(tex, into, {
      displayMode: display,
      throwOnError: true,
      strict: false,
      trust: false, // no links, no images, no HTML from a model
      maxExpand: EXPANSIONS_MAX,
      maxSize: 20,
    });
    return true;
  } catch {
    return false;
  }
}
