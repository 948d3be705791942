/** The tones that a state can have, and their classes: one table, so that "warn" looks the same everywhere. */
export type Tone = "neutral" | "accent" | "ok" | "warn" | "bad" | "info";

export const SOFT: Record<Tone, string> = {
  neutral: "bg-raised text-muted",
  accent: "bg-accent-soft text-accent-text",
  ok: "bg-ok-soft text-ok",
  warn: "bg-warn-soft text-warn",
  bad: "bg-bad-soft text-bad",
  info: "bg-info-soft text-info",
};
export const FILL: Record<Tone, string> = {
  neutral: "bg-faint",
  accent: "bg-accent",
  ok: "bg-ok",
  warn: "bg-warn",
  bad: "bg-bad",
  info: "bg-info",
};

/** The tone of a state's word, as workers, hives, jobs and downloads use them; unknown words are neutral. */
export function toneOf(state: string): Tone {
  switch (state) {
    case "ready":
    case "online":
    case "live":
    case "completed":
    case "succeeded":
    case "done":
      return "ok";
    case "starting":
    case "loading":
    case "spawning":
    case "running":
    case "downloading":
    case "verifying":
    case "joining":
      return "info";
    case "busy":
      return "accent";
    case "draining":
    case "stopping":
    case "paused":
    case "silent":
    case "suspect":
    case "stale":
    case "retrying":
    case "warning":
      return "warn";
    case "failed":
    case "crashed":
    case "lost":
    case "error":
    case "offline":
    case "revoked":
      return "bad";
    default:
      return "neutral";
  }
}
