/**
 * A block of code: its language, a button that copies it, wrapping, and colours once they are loaded.
 *
 * While the block is written it may grow to thousands of lines. So it is shown in slices of lines
 * that never render again, and colours are put on a short block a few times a second, on a long one
 * when it is finished.
 */
import { WrapText } from "lucide-react";
import { memo, useEffect, useRef, useState } from "react";

import { CopyButton, IconButton } from "@/ui";

import type { Piece } from "./highlight";

const SLICE_LINES = 64;

/** Colouring 8 kB takes about 5 ms here: four times a second nobody feels. */
const LIVE_CHARS_MAX = 8_000;
const LIVE_MS = 250;

/** Beyond it colours are left off: a second of work for a file that nobody reads here. */
const CHARS_MAX = 200_000;

const load = () => import("./highlight");
let loading: ReturnType<typeof load> | null = null;

interface Coloured {
  /** The text that the pieces are of: what came since is shown plain behind it. */
  text: string;
  pieces: Piece[];
}

function useColours(code: string, language: string, open: boolean): Coloured | null {
  const [coloured, setColoured] = useState<Coloured | null>(null);
  const latest = useRef(code);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const wanted = language !== "" && code.length <= (open ? LIVE_CHARS_MAX : CHARS_MAX);
  useEffect(() => {
    latest.current = code;
    // One that is on its way takes the latest text.
    if (!wanted || timer.current !== undefined) return;
    const colour = async () => {
      loading ??= load();
      const { highlight } = await loading;
      timer.current = undefined;
      const text = latest.current;
      const pieces = highlight(text, language);
      setColoured(pieces && { text, pieces });
    };
    timer.current = setTimeout(() => void colour(), open ? LIVE_MS : 0);
  }, [code, language, open, wanted]);
  useEffect(
    () => () => {
      clearTimeout(timer.current);
      timer.current = undefined;
    },
    [],
  );
  return coloured && wanted && code.startsWith(coloured.text) ? coloured : null;
}

const Slice = memo(function Slice({ text }: { text: string }) {
  return <span className="code-slice">{text}</span>;
});

const Coloured = memo(function Coloured({ pieces }: { pieces: Piece[] }) {
  return pieces.map(([text, kind], index) =>
    kind === "" ? (
      text
    ) : (
      <span key={index} className={kind}>
        {text}
      </span>
    ),
  );
});

export const Code = memo(function Code({
  code,
  language,
  open,
}: {
  code: string;
  language: string;
  open: boolean;
}) {
  const [wrap, setWrap] = useState(false);
  const coloured = useColours(code, language, open);
  return (
    <figure className="code-block" data-wrap={wrap || undefined}>
      <figcaption>
        <span>{language || "text"}</span>
        <span className="code-tools">
          <IconButton
            label={wrap ? "Do not wrap lines" : "Wrap lines"}
            aria-pressed={wrap}
            icon={<WrapText />}
            size="sm"
            onClick={() => setWrap(!wrap)}
          />
          <CopyButton text={code} label="Copy the code" />
        </span>
      </figcaption>
      {/* A block that is wider than the page is scrolled by keys too. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <pre tabIndex={0} aria-label={`Code${language ? ` in ${language}` : ""}`}>
        <code>
          {coloured ? (
            <>
              <Coloured pieces={coloured.pieces} />
              {code.slice(coloured.text.length)}
            </>
          ) : (
            slices(code).map((text, index) => <Slice key={index} text={text} />)
          )}
        </code>
      </pre>
    </figure>
  );
});

function slices(code: string): string[] {
  const found: string[] = [];
  let from = 0;
  for (let at = code.indexOf("\n"), lines = 1; at >= 0; at = code.indexOf("\n", at + 1), lines += 1) {
    if (lines % SLICE_LINES === 0) {
      found.push(code.slice(from, at + 1));
      from = at + 1;
    }
  }
  found.push(code.slice(from));
  return found;
}
