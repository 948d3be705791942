/**
 * How figures become words: bytes, rates, durations, shares, counts.
 *
 * The rule it keeps: null, undefined and NaN are unknown, and unknown is "–", never 0. The units of sizes
 * are decimal for what crosses wires and disks and binary for memory, as the tools around them count.
 */
export const UNKNOWN = "–";

type Figure = number | null | undefined;

/** The places between groups of three digits. toLocaleString makes a formatter anew for each figure. */
const THOUSANDS = /\B(?=(\d{3})+$)/g;

function known(value: Figure): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

function scaled(value: number, step: number, units: readonly string[]): string {
  let rest = Math.abs(value);
  let at = 0;
  while (rest >= step * 0.9995 && at < units.length - 1) {
    rest /= step;
    at += 1;
  }
  const digits = at === 0 || rest >= 99.95 ? 0 : rest >= 9.995 ? 1 : 2;
  return `${value < 0 ? "−" : ""}${trimmed(rest.toFixed(digits))} ${units[at] ?? ""}`;
}

function trimmed(text: string): string {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/** A file's or a download's size: 1.23 GB. */
export function bytes(value: Figure): string {
  return known(value) ? scaled(value, 1000, ["B", "kB", "MB", "GB", "TB", "PB"]) : UNKNOWN;
}

/** Memory, from bytes: 11.8 GiB. */
export function memory(value: Figure): string {
  return known(value) ? scaled(value, 1024, ["B", "KiB", "MiB", "GiB", "TiB"]) : UNKNOWN;
}

/** Memory, from MiB as devices tell it: 11.8 GiB. */
export function memoryMb(value: Figure): string {
  return known(value) ? memory(value * 1024 * 1024) : UNKNOWN;
}

/** Bytes a second: 84.2 MB/s. */
export function rate(value: Figure): string {
  return known(value) ? `${bytes(value)}/s` : UNKNOWN;
}

/** Tokens a second: 128 tok/s; below ten with one digit. */
export function tokensPerS(value: Figure): string {
  return known(value)
    ? `${value < 10 ? trimmed(value.toFixed(1)) : count(Math.round(value))} tok/s`
    : UNKNOWN;
}

/** A share of 0 to 100: 42 %. */
export function percent(value: Figure): string {
  return known(value) ? `${Math.round(value)} %` : UNKNOWN;
}

/** A whole number with thin groups: 12 345. */
export function count(value: Figure): string {
  return known(value) ? String(Math.round(value)).replace(THOUSANDS, "\u202f") : UNKNOWN;
}

/** A large number, short: 1.2k, 34M. */
export function short(value: Figure): string {
  return known(value) ? scaled(value, 1000, ["", "k", "M", "G"]).replace(" ", "").trim() : UNKNOWN;
}

/** Degrees: 64 °C. */
export function celsius(value: Figure): string {
  return known(value) ? `${Math.round(value)} °C` : UNKNOWN;
}

/** Power: 285 W. */
export function watts(value: Figure): string {
  return known(value) ? `${Math.round(value)} W` : UNKNOWN;
}

/** Milliseconds for what is quick, else seconds: 240 ms, 1.8 s. */
export function latency(seconds: Figure): string {
  if (!known(seconds)) return UNKNOWN;
  return seconds < 0.9995 ? `${Math.round(seconds * 1000)} ms` : duration(seconds);
}

/** How long something takes or lasted, two units at most: 4.2 s, 3 min 20 s, 2 h 5 min, 3 d 4 h. */
export function duration(seconds: Figure): string {
  if (!known(seconds)) return UNKNOWN;
  const s = Math.max(0, seconds);
  if (s < 9.95) return `${trimmed(s.toFixed(1))} s`;
  const whole = Math.round(s);
  if (whole < 60) return `${whole} s`;
  const units: [number, string][] = [
    [86_400, "d"],
    [3_600, "h"],
    [60, "min"],
    [1, "s"],
  ];
  const first = units.findIndex(([size]) => whole >= size);
  const [size, name] = units[first] ?? [1, "s"];
  const rest = units[first + 1];
  const more = rest ? Math.floor((whole % size) / rest[0]) : 0;
  return `${Math.floor(whole / size)} ${name}${rest && more ? ` ${more} ${rest[1]}` : ""}`;
}

/** How long ago, in one unit: now, 12 s ago, 5 min ago, 3 h ago, 2 d ago. */
export function ago(seconds: Figure): string {
  if (!known(seconds)) return UNKNOWN;
  if (seconds < 1.5) return "now";
  if (seconds < 59.5) return `${Math.round(seconds)} s ago`;
  if (seconds < 3_570) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 84_600) return `${Math.round(seconds / 3_600)} h ago`;
  return `${Math.round(seconds / 86_400)} d ago`;
}

/** "NVIDIA GeForce RTX 4090" as "RTX 4090": the maker's words tell nothing apart. */
export function device(name: string): string {
  return name
    .replace(/^(NVIDIA|AMD|Intel(\(R\))?)\s+/i, "")
    .replace(/^(GeForce|Radeon)\s+(?=RTX|GTX|RX)/i, "");
}

/** "1 hive", "3 hives". */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** The text, or "–" where there is none. */
export function text(value: string | null | undefined): string {
  return value === null || value === undefined || value === "" ? UNKNOWN : value;
}
