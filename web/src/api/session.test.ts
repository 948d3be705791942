/** The session's rule: only a refusal ends it; a queen that stumbles does not take the pages down. */
import { beforeEach, expect, it, vi } from "vitest";

import { loadSession, session, useSession } from "./session";

const ANSWER = { name: "team", scopes: ["read"], models: [], csrf_token: "t", expires_at: null };
let answer: () => Promise<Response>;
vi.stubGlobal("fetch", () => answer());

beforeEach(async () => {
  useSession.setState({ state: "checking", ended: false });
  answer = () => Promise.resolve(Response.json(ANSWER));
  await loadSession();
});

it("goes on where a proxy says that the queen is away for a moment", async () => {
  answer = () => Promise.resolve(new Response("<html>", { status: 502 }));
  await loadSession();
  expect(session()).toMatchObject({ state: "in", name: "team" });
  answer = () => Promise.reject(new TypeError("fetch failed"));
  await loadSession();
  expect(session().state).toBe("in");
});

it("says that nobody answers where it was not in yet", async () => {
  useSession.setState({ state: "checking" });
  answer = () => Promise.resolve(new Response("", { status: 502 }));
  await loadSession();
  expect(session().state).toBe("unreachable");
});

it("ends by a refusal, and says so", async () => {
  answer = () => Promise.resolve(new Response("", { status: 401 }));
  await loadSession();
  expect(session()).toMatchObject({ state: "out", ended: true, operator: false });
});
