import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, it } from "vitest";

import { TooltipProvider } from "@/ui";

import { Code } from "./Code";

const CODE = Array.from({ length: 300 }, (_, n) => `if (a < ${n} && b) call("${n}");\n`).join("");

const drawn = (code: string, open: boolean) =>
  renderToStaticMarkup(
    <TooltipProvider>
      <Code code={code} language="js" open={open} />
    </TooltipProvider>,
  );

/** What stands between the tags, as the page's text. */
const textOf = (html: string) =>
  (/<code>(.*)<\/code>/s.exec(html)?.[1] ?? "")
    .replace(/<[^>]+>/g, "")
    .replaceAll("&lt;", "<")
    .replaceAll("&quot;", '"')
    .replaceAll("&amp;", "&");

describe("a block of code", () => {
  it.each([true, false])("has all of its text in the page, colours or not (open: %s)", (open) => {
    const html = drawn(CODE, open);
    expect(textOf(html)).toBe(CODE);
    expect(html.match(/class="code-slice"/g)).toHaveLength(5);
  });

  it("says its language and can be copied", () => {
    const html = drawn("a", false);
    expect(html).toContain('aria-label="Code in js"');
    expect(html).toContain('aria-label="Copy the code"');
  });
});
