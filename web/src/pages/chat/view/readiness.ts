/** The states of a model in the picker: their words and their tones. */
import type { Tone } from "@/ui";

import type { Readiness } from "../live/models";

export const READINESS: Record<Readiness, { word: string; tone: Tone; says: string }> = {
  ready: { word: "ready", tone: "ok", says: "answers at once" },
  loading: { word: "loading", tone: "info", says: "a worker is starting" },
  disk: { word: "on disk", tone: "neutral", says: "loads when it is asked" },
  downloading: { word: "downloading", tone: "info", says: "on its way to a hive" },
  away: { word: "not here", tone: "neutral", says: "is downloaded when it is asked" },
  broken: { word: "broken", tone: "bad", says: "its files cannot be used" },
};
