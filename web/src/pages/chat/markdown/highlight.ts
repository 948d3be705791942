/**
 * Colours for code. Runs in the worker (`highlight.worker.ts`), which loads with the first block.
 *
 * Gives spans as values, never HTML. Languages that people ask models for; any other one is shown
 * plain.
 */
import bash from "highlight.js/lib/languages/bash";
import c from "highlight.js/lib/languages/c";
import cpp from "highlight.js/lib/languages/cpp";
import csharp from "highlight.js/lib/languages/csharp";
import css from "highlight.js/lib/languages/css";
import diff from "highlight.js/lib/languages/diff";
import dockerfile from "highlight.js/lib/languages/dockerfile";
import go from "highlight.js/lib/languages/go";
import ini from "highlight.js/lib/languages/ini";
import java from "highlight.js/lib/languages/java";
import javascript from "highlight.js/lib/languages/javascript";
import json from "highlight.js/lib/languages/json";
import kotlin from "highlight.js/lib/languages/kotlin";
import lua from "highlight.js/lib/languages/lua";
import makefile from "highlight.js/lib/languages/makefile";
import markdown from "highlight.js/lib/languages/markdown";
import php from "highlight.js/lib/languages/php";
import powershell from "highlight.js/lib/languages/powershell";
import python from "highlight.js/lib/languages/python";
import r from "highlight.js/lib/languages/r";
import ruby from "highlight.js/lib/languages/ruby";
import rust from "highlight.js/lib/languages/rust";
import sql from "highlight.js/lib/languages/sql";
import swift from "highlight.js/lib/languages/swift";
import typescript from "highlight.js/lib/languages/typescript";
import xml from "highlight.js/lib/languages/xml";
import yaml from "highlight.js/lib/languages/yaml";
import { createLowlight } from "lowlight";

import type { Piece } from "./slices";

const low = createLowlight({
  bash,
  c,
  cpp,
  csharp,
  css,
  diff,
  dockerfile,
  go,
  ini,
  java,
  javascript,
  json,
  kotlin,
  lua,
  makefile,
  markdown,
  php,
  powershell,
  python,
  r,
  ruby,
  rust,
  sql,
  swift,
  typescript,
  xml,
  yaml,
});
low.registerAlias({ bash: ["shell", "console", "zsh"], typescript: ["tsx"], javascript: ["jsx"] });

interface Node {
  type: string;
  value?: string;
  children?: Node[];
  properties?: { className?: string[] };
}

/** The pieces of a code text, or null where the language is not known. */
export function highlight(code: string, language: string): Piece[] | null {
  const name = language.toLowerCase();
  if (!low.registered(name)) return null;
  const pieces: Piece[] = [];
  const walk = (node: Node, kind: string) => {
    if (node.type === "text") pieces.push([node.value ?? "", kind]);
    // The innermost class wins, which is how the colours are meant.
    const inner = node.properties?.className?.join(" ") ?? kind;
    for (const child of node.children ?? []) walk(child, inner);
  };
  walk(low.highlight(name, code), "");
  return pieces;
}
