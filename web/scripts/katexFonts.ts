/**
 * KaTeX's style names each font in three formats; every browser that can run the console reads woff2.
 * The others are left out of the build: a megabyte that nobody would ever load.
 */
import type { Plugin } from "vite";

const OTHERS = /,\s*url\([^)]*\.(?:woff|ttf)\)\s*format\("?(?:woff|truetype)"?\)/g;

export function katexFonts(): Plugin {
  return {
    name: "rbee-katex-fonts",
    enforce: "pre",
    transform(code, id) {
      return /katex(?:\.min)?\.css/.test(id) ? { code: code.replace(OTHERS, ""), map: null } : null;
    },
  };
}
