/** What the form says, as the body of `POST /v1/keys`. Pure. */
import type { components } from "@/api/schema";

type Body = components["schemas"]["KeyWish"];
export type Scope = NonNullable<Body["scopes"]>[number];

export interface KeyWish {
  name: string;
  scopes: readonly Scope[];
  models: string;
  /** Seconds from now; empty: for ever. */
  life: string;
  requestsPerMin: string;
  tokensPerMin: string;
  tokensPerDay: string;
}

export const SCOPES: readonly { scope: Scope; title: string; about: string }[] = [
  {
    scope: "inference",
    title: "use models",
    about: "The OpenAI and Anthropic doors; its own models in listings.",
  },
  {
    scope: "jobs",
    title: "use models through jobs",
    about: "Durable answers; sees and cancels its own jobs alone.",
  },
  { scope: "read", title: "look", about: "Status, figures and this console, without changing anything." },
  {
    scope: "operator",
    title: "do everything",
    about: "Keys, settings, hives, workers. For people who run the colony.",
  },
];

/** A limit as a number; null where nothing usable stands. */
export function limitOf(text: string): number | null {
  const number = Number(text.trim().replaceAll(/[_ ,]/g, ""));
  return text.trim() !== "" && Number.isSafeInteger(number) && number >= 1 ? number : null;
}

/** Whether the form can be sent: a limit that cannot be read is not the same as none. */
export function isComplete(wish: KeyWish): boolean {
  const limits = [wish.requestsPerMin, wish.tokensPerMin, wish.tokensPerDay];
  return wish.name.trim() !== "" && wish.scopes.length > 0 && limits.every(isLimit);
}

/** Empty, which is none, or a number that can be one. */
export function isLimit(text: string): boolean {
  return text.trim() === "" || limitOf(text) !== null;
}

export function wishOf(wish: KeyWish): Body {
  const operator = wish.scopes.includes("operator");
  return {
    name: wish.name.trim(),
    scopes: [...wish.scopes],
    models: operator
      ? []
      : wish.models
          .split(/[\n,]/)
          .map((line) => line.trim())
          .filter(Boolean),
    expires_in_s: wish.life === "" ? null : Number(wish.life),
    requests_per_min: limitOf(wish.requestsPerMin),
    tokens_per_min: limitOf(wish.tokensPerMin),
    tokens_per_day: limitOf(wish.tokensPerDay),
  };
}
