/**
 * Weighs what a build made: the JavaScript that a browser must load before it shows anything, the
 * overview, and the chat, each with all that they import at once, gzipped as the queen sends them.
 *
 * The rule it keeps: a build above a bar fails, so nobody makes the first paint slow unseen.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Plugin } from "vite";

interface Chunk {
  file: string;
  isEntry?: boolean;
  imports?: string[];
}
type Manifest = Record<string, Chunk>;

/** The bars of the console in kB (1,000 bytes) gzipped; "more" is what the page adds to the entry. */
const BARS: { name: string; source: string; limit_kb: number; more?: boolean }[] = [
  { name: "entry", source: "index.html", limit_kb: 150 },
  { name: "overview, in all", source: "src/pages/overview/index.tsx", limit_kb: 220 },
  { name: "chat, on top", source: "src/pages/chat/index.tsx", limit_kb: 180, more: true },
];

/** All chunks that load with `source`, itself among them: what is imported statically. */
export function closure(manifest: Manifest, source: string, seen = new Set<string>()): Set<string> {
  const chunk = manifest[source];
  if (!chunk || seen.has(source)) return seen;
  seen.add(source);
  for (const next of chunk.imports ?? []) closure(manifest, next, seen);
  return seen;
}

/** Adds the check to the end of each build. */
export function sizes(): Plugin {
  let folder = "dist";
  return {
    name: "rbee-sizes",
    apply: "build",
    configResolved(config) {
      folder = join(config.root, config.build.outDir);
      if (config.build.outDir.startsWith("/")) folder = config.build.outDir;
    },
    closeBundle() {
      let manifest: Manifest;
      try {
        manifest = JSON.parse(readFileSync(join(folder, ".vite/manifest.json"), "utf8")) as Manifest;
      } catch {
        return; // The build failed before it wrote anything: its own words say why.
      }
      const entry = closure(manifest, "index.html");
      const kb = (keys: Iterable<string>) => {
        let bytes = 0;
        for (const key of keys) {
          const file = manifest[key]?.file;
          if (file?.endsWith(".js")) bytes += gzipSync(readFileSync(join(folder, file)), { level: 9 }).length;
        }
        return bytes / 1000;
      };
      const over: string[] = [];
      for (const bar of BARS) {
        const own = closure(manifest, bar.source);
        const keys = bar.more ? [...own].filter((key) => !entry.has(key)) : new Set([...entry, ...own]);
        const size_kb = kb(keys);
        const line = `${bar.name}: ${size_kb.toFixed(1)} of ${bar.limit_kb} kB gzipped`;
        console.log(`  ${line}`);
        if (size_kb > bar.limit_kb) over.push(line);
      }
      if (over.length > 0)
        throw new Error(`The console grew above its bars: ${over.join("; ")}. See web/scripts/sizes.ts.`);
    },
  };
}
