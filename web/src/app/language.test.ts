import { expect, it } from "vitest";

import { mendLanguage } from "./language";

it.each([
  ["C", "en-US"],
  ["de-CH", "de-CH"],
  ["en-POSIX", "en-POSIX"],
])("takes %s as %s", (told, used) => {
  const browser = { language: told };
  mendLanguage(browser);
  expect(browser.language).toBe(used);
  expect(() => new Intl.NumberFormat(browser.language)).not.toThrow();
});
