import { describe, expect, it } from "vitest";

import { snippets, trustCommand } from "./snippets";

const OPEN = { origin: "http://localhost:7833", model: "starter", locked: false };
const LOCKED = { origin: "https://queen.lan:7833", model: "org/repo:m's.gguf", locked: true };

describe("snippets", () => {
  it("name this address and this model in each", () => {
    for (const { id, code } of snippets(OPEN)) {
      expect(code, id).toContain(id === "open-webui" ? "host.docker.internal:7833/v1" : OPEN.origin);
      if (id !== "open-webui") expect(code, id).toContain("starter");
    }
  });

  it("hold no key, and read it from the environment where one is wanted", () => {
    for (const { id, code } of snippets(LOCKED)) expect(code, id).toContain("RBEE_API_KEY");
    for (const { id, code } of snippets(OPEN)) expect(code, id).not.toContain("RBEE_API_KEY");
  });

  it("quote a model's name for its language", () => {
    const all = Object.fromEntries(snippets(LOCKED).map(({ id, code }) => [id, code]));
    expect(all["curl"]).toContain(`"org/repo:m'\\''s.gguf"`);
    expect(all["python"]).toContain(`"org/repo:m's.gguf"`);
    expect(all["environment"]).toContain(`MODEL='org/repo:m'\\''s.gguf'`);
  });

  it("trust the colony's own certificate over TLS", () => {
    expect(snippets(LOCKED)[0]?.code).toContain("--cacert colony-ca.pem");
    expect(trustCommand(LOCKED.origin)).toContain("https://queen.lan:7833/v1/hive/ca");
    expect(snippets(OPEN)[0]?.code).not.toContain("cacert");
  });
});
