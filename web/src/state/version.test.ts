/** A page knows which queen it came from, also across signing out. */
import { expect, it } from "vitest";

import { clear, take } from "./store";
import type { ColonyRow } from "./types";
import { newVersion } from "./version";

function queenOf(version: string): void {
  const row = { version } as ColonyRow;
  take({ type: "snapshot", at: Date.now() / 1000, tables: { colony: { queen: row } } });
}

it("tells the version of a queen that was replaced under an open page", () => {
  expect(newVersion()).toBeNull();
  queenOf("1.0");
  expect(newVersion()).toBeNull();
  clear();
  expect(newVersion()).toBeNull();
  queenOf("1.1");
  expect(newVersion()).toBe("1.1");
  queenOf("1.0");
  expect(newVersion()).toBeNull();
});
