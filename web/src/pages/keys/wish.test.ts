/** A key's form: what cannot be read as a limit must not become a key without one. */
import { expect, it } from "vitest";

import { isComplete, type KeyWish, wishOf } from "./wish";

const WISH: KeyWish = {
  name: "team",
  scopes: ["inference"],
  models: "",
  life: "",
  requestsPerMin: "",
  tokensPerMin: "",
  tokensPerDay: "",
};

it("is not sent with a limit that is no number", () => {
  expect(isComplete(WISH)).toBe(true);
  for (const text of ["abc", "0", "-5", "1.5", "1e99"])
    expect(isComplete({ ...WISH, tokensPerDay: text }), text).toBe(false);
  expect(isComplete({ ...WISH, name: " " })).toBe(false);
  expect(isComplete({ ...WISH, scopes: [] })).toBe(false);
});

it("takes numbers as people group them", () => {
  const wish = { ...WISH, tokensPerDay: "1 000_000", requestsPerMin: "60" };
  expect(isComplete(wish)).toBe(true);
  expect(wishOf(wish)).toMatchObject({
    tokens_per_day: 1_000_000,
    requests_per_min: 60,
    tokens_per_min: null,
  });
});
