/** Colours between the steps of a scale. Pure; tested without a browser. */

type Rgb = readonly [number, number, number];

/** "#rrggbb" as three numbers of 0 to 255. */
export function rgb(hex: string): Rgb {
  const digits = hex.replace("#", "");
  const at = (from: number) => Number.parseInt(digits.slice(from, from + 2), 16);
  return [at(0), at(2), at(4)];
}

/** The colour at `share` (0 to 1) of a scale with even steps. */
export function mix(steps: readonly string[], share: number): string {
  const place = Math.min(1, Math.max(0, share)) * (steps.length - 1);
  const low = Math.floor(place);
  const from = rgb(steps[low] ?? "#000000");
  const to = rgb(steps[Math.min(low + 1, steps.length - 1)] ?? "#000000");
  const part = place - low;
  const channel = (at: 0 | 1 | 2) => Math.round(from[at] + (to[at] - from[at]) * part);
  return `rgb(${channel(0)} ${channel(1)} ${channel(2)})`;
}

/** A table of 101 colours, one a percent: a canvas that fills 800 cells a second should not compute them. */
export function ramp(steps: readonly string[]): readonly string[] {
  return Array.from({ length: 101 }, (_, at) => mix(steps, at / 100));
}

/** Black or white enough to be read on a colour of the scale: its relative luminance decides. */
export function isLight(color: string): boolean {
  const [r = 0, g = 0, b = 0] = color.startsWith("#") ? rgb(color) : (color.match(/\d+/g) ?? []).map(Number);
  return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255 > 0.45;
}
