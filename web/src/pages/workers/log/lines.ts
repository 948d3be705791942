/**
 * The lines of one log in memory: an old part that was fetched, a live part that was followed.
 *
 * Pure but for itself: no React, no network. The tail is shown at once and the whole log comes after it,
 * so `replaceOld` must know which followed lines the whole already holds: each has the byte at which it
 * ends. Levels are found when they are asked for, and kept, since a filter asks for all of them.
 */
export type Level = "error" | "warn" | "mark" | "debug" | "plain";

/** More would be a log that nobody reads in a browser: some 20 MB. */
export const LINES_MAX = 150_000;

const ERROR =
  /\b(error|fatal|panic|exception|traceback|failed|failure|abort(ed)?|GGML_ASSERT|CUDA error|out of memory)\b|^E /i;
const WARN = /\b(warn(ing)?|deprecated|retry(ing)?|slow)\b|^W /i;
const DEBUG = /\b(debug|trace)\b|^D /i;
const MARK = /^--- generation \d+ ---$/;
/** Words that only look like an error: "0 errors", "error = 0". */
const HARMLESS = /\b(no|0|without) (errors?|warnings?|failures?)\b|\berrors? ?[=:] ?0\b/i;

export function levelOf(line: string): Level {
  if (MARK.test(line)) return "mark";
  if (ERROR.test(line) && !HARMLESS.test(line)) return "error";
  if (WARN.test(line) && !HARMLESS.test(line)) return "warn";
  return DEBUG.test(line) ? "debug" : "plain";
}

export class LogLines {
  private lines: string[] = [];
  private levels: (Level | undefined)[] = [];
  /** How many at the end were followed, and where each of those ends. */
  private ends: number[] = [];
  /** How many were let go at the beginning. */
  dropped = 0;
  longest = 0;

  get length(): number {
    return this.lines.length;
  }

  at(index: number): string {
    return this.lines[index] ?? "";
  }

  level(index: number): Level {
    return (this.levels[index] ??= levelOf(this.at(index)));
  }

  /** What was fetched up to the byte `offset`; followed lines that end later stay after it. */
  replaceOld(fetched: readonly string[], offset: number): void {
    const kept = this.ends.findIndex((end) => end > offset);
    const followed = kept < 0 ? [] : this.lines.slice(this.lines.length - this.ends.length + kept);
    this.ends = kept < 0 ? [] : this.ends.slice(kept);
    this.lines = fetched.concat(followed);
    this.levels = [];
    this.dropped = 0;
    this.longest = 0;
    for (const line of this.lines) this.longest = Math.max(this.longest, line.length);
    this.trim();
  }

  append(line: string, end: number): void {
    this.lines.push(line);
    this.ends.push(end);
    this.longest = Math.max(this.longest, line.length);
    this.trim();
  }

  /** The numbers of the lines that hold every word and have one of the levels. */
  find(words: readonly string[], levels: ReadonlySet<Level> | null): number[] | null {
    if (words.length === 0 && levels === null) return null;
    const found: number[] = [];
    for (let at = 0; at < this.lines.length; at += 1) {
      if (levels !== null && !levels.has(this.level(at))) continue;
      const line = words.length > 0 ? this.at(at).toLowerCase() : "";
      if (words.every((word) => line.includes(word))) found.push(at);
    }
    return found;
  }

  text(shown: readonly number[] | null): string {
    const lines = shown === null ? this.lines : shown.map((at) => this.at(at));
    return lines.length > 0 ? `${lines.join("\n")}\n` : "";
  }

  private trim(): void {
    // A tenth at a time: dropping one line for each that comes would move all of them each time.
    if (this.lines.length <= LINES_MAX) return;
    const over = this.lines.length - Math.floor(LINES_MAX * 0.9);
    this.lines = this.lines.slice(over);
    this.levels = this.levels.slice(over);
    this.ends = this.ends.slice(Math.max(0, this.ends.length - this.lines.length));
    this.dropped += over;
  }
}
