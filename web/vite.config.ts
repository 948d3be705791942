/**
 * How the console is built: one entry, one lazy chunk a page, hashed files that may be cached for ever.
 *
 * The rule it keeps: no request leaves the origin, so nothing here names another host, and what the
 * entry and the overview weigh is checked at the end of each build (scripts/sizes.ts).
 */
import react from "@vitejs/plugin-react";
import tailwindcss from "@tailwindcss/vite";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

import { katexFonts } from "./scripts/katexFonts.ts";
import { sizes } from "./scripts/sizes.ts";

// While the console is worked on, vite serves it and asks the queen for the rest.
const QUEEN = process.env["RBEE_QUEEN_URL"] ?? "http://127.0.0.1:7833";

export default defineConfig({
  plugins: [react(), tailwindcss(), katexFonts(), sizes()],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  build: {
    // What React 19 and the CSS of Tailwind 4 need anyway.
    target: ["chrome111", "firefox114", "safari16.4"],
    manifest: true,
    sourcemap: false,
    // The bars are measured by scripts/sizes.ts; vite's own warning knows only one figure for all.
    chunkSizeWarningLimit: 2000,
    rolldownOptions: {
      // The kit's index only passes names on: with that said, each page takes the parts that it uses.
      treeshake: { moduleSideEffects: [{ test: /\/src\/(ui|app|charts)\//, sideEffects: false }] },
    },
  },
  server: {
    proxy: Object.fromEntries(
      ["/v1", "/openapi.json", "/metrics", "/health", "/healthz"].map((path) => [
        path,
        { target: QUEEN, ws: true },
      ]),
    ),
  },
  test: { include: ["src/**/*.test.{ts,tsx}"], environment: "node" },
});
