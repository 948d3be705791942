import { describe, expect, it } from "vitest";

import { sharedStart } from "./drawComb";
import { layoutComb, neighbour, placeAt } from "./comb";

describe("layoutComb", () => {
  it("keeps 800 cells of 100 groups inside the width and near the height", () => {
    const comb = layoutComb(
      Array.from({ length: 100 }, () => 8),
      1100,
      440,
    );
    expect(comb.places).toHaveLength(800);
    expect(comb.height).toBeLessThanOrEqual(440);
    expect(Math.max(...comb.places.map((place) => place.x + comb.radius))).toBeLessThanOrEqual(1102);
    expect(comb.radius).toBeGreaterThanOrEqual(8);
  });
  it("draws a few cells large", () => {
    expect(layoutComb([2], 600, 300).radius).toBe(34);
  });
  it("never lays two cells over each other", () => {
    const comb = layoutComb([8, 3, 1, 8, 4], 340, 300);
    for (const [at, a] of comb.places.entries()) {
      for (const b of comb.places.slice(at + 1)) {
        expect(Math.hypot(a.x - b.x, a.y - b.y)).toBeGreaterThan(comb.radius * 1.7);
      }
    }
  });
  it("has nothing to draw for nobody", () => {
    expect(layoutComb([], 300, 300).height).toBe(0);
  });
});

describe("the cells", () => {
  const comb = layoutComb([8, 8], 800, 300);
  it("are found under the pointer", () => {
    const place = comb.places[5];
    expect(placeAt(comb, (place?.x ?? 0) + 3, (place?.y ?? 0) - 3)).toBe(5);
    expect(placeAt(comb, -50, -50)).toBe(-1);
  });
  it("are walked by arrows, also into the next group", () => {
    expect(neighbour(comb, 0, "ArrowRight")).toBe(1);
    expect(neighbour(comb, 3, "ArrowRight")).toBe(8);
    expect(neighbour(comb, 0, "ArrowLeft")).toBe(0);
    expect([4, 5]).toContain(neighbour(comb, 1, "ArrowDown"));
  });
});

describe("sharedStart", () => {
  it("counts what all names begin with, up to the first digit", () => {
    expect(sharedStart(["rack1-node01", "rack1-node02", "rack10-node01"])).toBe(4);
  });
  it("drops nothing from names that differ, and of two", () => {
    expect(sharedStart(["atlas", "cedar", "dune"])).toBe(0);
    expect(sharedStart(["node1", "node2"])).toBe(0);
  });
});
