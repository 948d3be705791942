/** Events come out whole, wherever the reads were cut. */
import { describe, expect, it } from "vitest";

import { EventCutter } from "./sse";

const TEXT = ': hello\n\nid: b-1\ndata: {"type":"snapshot"}\n\nid: b-2\ndata: {"x":"a\\nb"}\n\ndata:bare\n\n';
const EVENTS = [
  { id: "b-1", data: '{"type":"snapshot"}' },
  { id: "b-2", data: '{"x":"a\\nb"}' },
  { id: null, data: "bare" },
];

describe("EventCutter", () => {
  it("gives the same events for every way of cutting", () => {
    for (let size = 1; size <= TEXT.length; size += 1) {
      const cutter = new EventCutter();
      const found = [];
      for (let at = 0; at < TEXT.length; at += size) found.push(...cutter.feed(TEXT.slice(at, at + size)));
      expect(found, `pieces of ${String(size)}`).toEqual(EVENTS);
    }
  });

  it("holds back an event that has not ended", () => {
    const cutter = new EventCutter();
    expect(cutter.feed("id: 1\ndata: x\n")).toEqual([]);
    expect(cutter.feed("\n")).toEqual([{ id: "1", data: "x" }]);
  });
});
