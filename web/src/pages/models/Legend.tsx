/** What the marks of the matrix mean. */
import { CellMark } from "./CellMark";
import type { Cell } from "./rows";

const KINDS: readonly [Cell["kind"], string][] = [
  ["loaded", "loaded"],
  ["disk", "on disk"],
  ["running", "on its way"],
  ["paused", "paused or incomplete"],
  ["failed", "failed or damaged"],
  ["absent", "not here: press to bring it"],
];

export function Legend() {
  return (
    <p className="flex flex-wrap gap-x-4 gap-y-1 border-t px-3.5 py-2 text-2xs text-faint" aria-label="Marks">
      {KINDS.map(([kind, words]) => (
        <span key={kind} className="inline-flex items-center gap-1.5">
          <CellMark cell={{ kind, model: undefined, download: undefined }} />
          {words}
        </span>
      ))}
    </p>
  );
}
