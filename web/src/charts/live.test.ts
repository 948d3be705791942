import { describe as group, expect, it } from "vitest";

import { clock, columnsOf, describe, span } from "./live";
import { isLight, mix, ramp } from "./scale";

const ring = (values: number[]) => ({
  t: Float64Array.from(values, (_, at) => 100 + at),
  v: Float32Array.from(values),
  length: values.length,
});
const percent = (value: number | null) => (value === null ? "–" : `${value} %`);

group("columnsOf", () => {
  it("leaves gaps where nothing was known", () => {
    expect(columnsOf([ring([1, Number.NaN, 3])])[1]).toEqual([1, null, 3]);
  });
  it("lets a figure that came later begin late", () => {
    expect(columnsOf([ring([1, 2, 3]), { ...ring([9]), t: Float64Array.of(102) }])[2]).toEqual([
      null,
      null,
      9,
    ]);
  });
});

group("describe", () => {
  it("says what is now, and the range", () => {
    expect(describe(["load"], [ring([10, 40, 30])], percent)).toBe("now 30 %, between 10 % and 40 %");
  });
  it("says what is unknown", () => {
    expect(describe(["a", "b"], [ring([]), ring([5, Number.NaN])], percent)).toBe(
      "a unknown; b now unknown, between 5 % and 5 %",
    );
  });
});

group("span", () => {
  it("shows a minute at least", () => {
    expect(span(95, 100)).toEqual([40, 100]);
    expect(span(0, 600)).toEqual([0, 600]);
  });
});

group("clock", () => {
  it("tells seconds only where they differ", () => {
    expect(clock(90, [60, 120])).toMatch(/^\d\d:\d\d$/);
    expect(clock(90, [75, 90])).toMatch(/^\d\d:\d\d:30$/);
  });
});

group("the scale", () => {
  it("goes evenly from step to step", () => {
    expect(mix(["#000000", "#646464"], 0.5)).toBe("rgb(50 50 50)");
    expect(ramp(["#000000", "#646464"])).toHaveLength(101);
    expect(mix(["#000000", "#646464"], 7)).toBe("rgb(100 100 100)");
  });
  it("knows what reads on it", () => {
    expect([isLight("#ffdc86"), isLight("rgb(29 33 39)")]).toEqual([true, false]);
  });
});
