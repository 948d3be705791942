import { describe, expect, it } from "vitest";

import { downloadProgress } from "./marks";

describe("downloadProgress", () => {
  it("adds up what runs, and only that", () => {
    expect(
      downloadProgress([
        { state: "running", bytes: 10, total: 100 },
        { state: "running", bytes: 50, total: 100 },
        { state: "paused", bytes: 90, total: 100 },
      ]),
    ).toBe("↓ 30 %");
  });
  it("says that something comes while no size is known", () => {
    expect(downloadProgress([{ state: "running", bytes: 10, total: null }])).toBe("↓");
  });
  it("says nothing when nothing comes", () => {
    expect(downloadProgress([{ state: "queued", bytes: 0, total: 5 }])).toBe("");
  });
});
