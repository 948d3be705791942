import { describe, expect, it } from "vitest";

import { cn } from "./cn";

describe("cn", () => {
  it("lets the later of two sizes, colours and spaces win", () => {
    expect(cn("size-7 text-muted px-3", "size-6 text-bad", "px-4")).toBe("size-6 text-bad px-4");
  });
  it("tells sizes of text from their colours and places", () => {
    expect(cn("text-sm text-muted text-left", "text-xs text-right")).toBe("text-muted text-xs text-right");
  });
  it("keeps what holds in different states apart", () => {
    expect(cn("bg-surface hover:bg-hover", "bg-raised")).toBe("hover:bg-hover bg-raised");
    expect(cn("[&_svg]:size-4 size-8", "data-[state=on]:bg-ok")).toBe(
      "[&_svg]:size-4 size-8 data-[state=on]:bg-ok",
    );
  });
  it("tells the widths of borders from their colours", () => {
    expect(cn("border border-line-strong border-b-2", "border-accent")).toBe(
      "border border-b-2 border-accent",
    );
  });
  it("leaves out what is false", () => {
    expect(cn("a", false, undefined, ["b", { c: true, d: false }])).toBe("a b c");
  });
});
