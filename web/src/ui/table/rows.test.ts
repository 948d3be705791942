import { describe, expect, it } from "vitest";

import { filterRows, nextSort, sortRows, withActive, type Column } from "./rows";

interface Row {
  name: string;
  load: number | null;
}
const ROWS: Row[] = [
  { name: "gpu10", load: 3 },
  { name: "gpu2", load: null },
  { name: "box", load: 7 },
];
const COLUMNS: Column<Row>[] = [
  { id: "name", header: "Name", cell: (row) => row.name, sort: (row) => row.name },
  { id: "load", header: "Load", cell: (row) => row.load, sort: (row) => row.load },
];
const names = (rows: readonly Row[]) => rows.map((row) => row.name);

describe("sortRows", () => {
  it("counts the digits inside names", () => {
    expect(names(sortRows(ROWS, COLUMNS, { id: "name", desc: false }))).toEqual(["box", "gpu2", "gpu10"]);
  });
  it("puts what is unknown last in both directions", () => {
    expect(names(sortRows(ROWS, COLUMNS, { id: "load", desc: false }))).toEqual(["gpu10", "box", "gpu2"]);
    expect(names(sortRows(ROWS, COLUMNS, { id: "load", desc: true }))).toEqual(["box", "gpu10", "gpu2"]);
  });
  it("leaves the rows as they came without a sorting", () => {
    expect(sortRows(ROWS, COLUMNS, null)).toBe(ROWS);
  });
});

describe("filterRows", () => {
  it("wants every word, in any case", () => {
    expect(names(filterRows(ROWS, COLUMNS, "GPU 2"))).toEqual(["gpu2"]);
    expect(filterRows(ROWS, COLUMNS, "gpu none")).toEqual([]);
  });
});

describe("withActive", () => {
  it("keeps the row in the tab order among those that are made, in their order", () => {
    expect(withActive([4, 5, 6], 5, 10)).toEqual([4, 5, 6]);
    expect(withActive([4, 5, 6], 0, 10)).toEqual([0, 4, 5, 6]);
    expect(withActive([4, 5, 6], 9, 10)).toEqual([4, 5, 6, 9]);
    expect(withActive([0, 1], 2, 2)).toEqual([0, 1]);
    expect(withActive([], 0, 0)).toEqual([]);
  });
});

describe("nextSort", () => {
  it("goes up, down, and back to none", () => {
    const up = nextSort(null, "name");
    const down = nextSort(up, "name");
    expect([up, down, nextSort(down, "name")]).toEqual([
      { id: "name", desc: false },
      { id: "name", desc: true },
      null,
    ]);
  });
});
