/** What a live chart computes before it draws: its columns, its span of time, and itself in words. Pure. */
import type { Series } from "@/state";

/** A chart that just began shows a minute, and grows to the ten that are kept. */
const SPAN_S_MIN = 60;

type Column = (number | null)[] | Float64Array;

/** uPlot's data: the times, then each figure with null where it is unknown. All rings share one clock. */
export function columnsOf(rings: readonly Series[]): [Float64Array, ...Column[]] {
  const longest = rings.reduce<Series | null>(
    (most, ring) => (most === null || ring.length > most.length ? ring : most),
    null,
  );
  const times = longest?.t ?? new Float64Array(0);
  return [
    times,
    ...rings.map((ring) => {
      const missing = times.length - ring.length;
      return Array.from(times, (_, at) => {
        const value = at < missing ? Number.NaN : (ring.v[at - missing] ?? Number.NaN);
        return Number.isNaN(value) ? null : value;
      });
    }),
  ];
}

/** The words of a moment on the axis: seconds only where the marks lie closer than a minute. */
export function clock(at: number, splits: readonly number[]): string {
  const step = (splits[1] ?? 0) - (splits[0] ?? 0);
  const text = new Date(at * 1000).toLocaleTimeString("en-GB");
  return step >= 60 ? text.slice(0, 5) : text;
}

/** From when to when: at least a minute, ending now. */
export function span(from: number | null, to: number | null): [number, number] {
  const end = to ?? Date.now() / 1000;
  return [Math.min(from ?? end, end - SPAN_S_MIN), end];
}

/** "now 63 %, between 41 % and 88 %", for each series, for those who do not see the lines. */
export function describe(
  names: readonly string[],
  rings: readonly Series[],
  format: (value: number | null) => string,
): string {
  return rings
    .map((ring, at) => {
      let low = Number.POSITIVE_INFINITY;
      let high = Number.NEGATIVE_INFINITY;
      for (const value of ring.v) {
        if (value < low) low = value;
        if (value > high) high = value;
      }
      const now = ring.v[ring.length - 1] ?? Number.NaN;
      const name = names.length > 1 ? `${names[at] ?? ""} ` : "";
      if (low > high) return `${name}unknown`;
      return `${name}now ${Number.isNaN(now) ? "unknown" : format(now)}, between ${format(low)} and ${format(high)}`;
    })
    .join("; ");
}
