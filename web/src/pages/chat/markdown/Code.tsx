/**
 * A block of code: its language, a button that copies it, wrapping, and colours once they are there.
 *
 * While the block is written it may grow to thousands of lines. So it is shown in slices of lines: a
 * finished one never renders again, one that is far from the screen is not laid out and gets no
 * colours. Which colours is found out beside the page (`colours.ts`), the less often the longer it
 * takes.
 */
import { WrapText } from "lucide-react";
import { memo, useCallback, useEffect, useRef, useState } from "react";

import { CopyButton, IconButton } from "@/ui";

import { coloursOf } from "./colours";
import { type Coloured, type Piece, slices, withColours } from "./slices";
import { useNear } from "./useNear";

/** While a block grows its colours come four times a second at most … */
const LIVE_MS = 250;

/** … and take a tenth of the worker's time at most: a long block is read from its beginning. */
const REST_PER_WORK = 9;

/** Beyond it colours are left off: a second of work for a file that nobody reads here. */
const CHARS_MAX = 200_000;

const NONE: readonly Coloured[] = [];

/** The colours of the slices so far. Asked for once the block is `near`; one question at a time. */
function useColours(code: string, language: string, open: boolean, near: boolean): readonly Coloured[] {
  const [coloured, setColoured] = useState(NONE);
  const wanted = near && language !== "" && code.length <= CHARS_MAX;
  const latest = useRef({ code, open });
  const asking = useRef(false);
  const known = useRef(NONE);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const there = useRef(true);
  useEffect(() => {
    latest.current = { code, open };
    // One that is on its way asks again for what came meanwhile.
    if (!wanted || asking.current) return;
    const ask = async () => {
      const { code: text, open: grows } = latest.current;
      // The last slice may have grown since, and the one before it had an end that was not known.
      const from = Math.max(0, known.current.length - 2);
      const { found, tookMs } = await coloursOf(text, language, from);
      if (!there.current) return;
      if (found) {
        known.current = withColours(known.current, from, found);
        setColoured(known.current);
      }
      const behind = latest.current.code !== text || latest.current.open !== grows;
      if (found && behind) later(latest.current.open ? Math.max(LIVE_MS, tookMs * REST_PER_WORK) : 0);
      else asking.current = false;
    };
    const later = (ms: number) => {
      timer.current = setTimeout(() => void ask(), ms);
    };
    asking.current = true;
    later(open ? LIVE_MS : 0);
  }, [code, language, open, wanted]);
  useEffect(() => {
    there.current = true;
    return () => {
      there.current = false;
      asking.current = false;
      clearTimeout(timer.current);
    };
  }, []);
  return wanted ? coloured : NONE;
}

const Slice = memo(function Slice({ text, coloured }: { text: string; coloured: Coloured | undefined }) {
  const place = useRef<HTMLSpanElement>(null);
  const near = useNear(place);
  const shown = near && coloured && text.startsWith(coloured.text) ? coloured : null;
  return (
    <span ref={place} className="code-slice">
      {shown ? <Pieces pieces={shown.pieces} /> : null}
      {shown ? text.slice(shown.text.length) : text}
    </span>
  );
});

const Pieces = memo(function Pieces({ pieces }: { pieces: readonly Piece[] }) {
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
  const place = useRef<HTMLElement>(null);
  const [wrap, setWrap] = useState(false);
  const coloured = useColours(code, language, open, useNear(place));
  const latest = useRef(code);
  useEffect(() => {
    latest.current = code;
  }, [code]);
  const textOf = useCallback(() => latest.current, []);
  return (
    <figure ref={place} className="code-block" data-wrap={wrap || undefined}>
      <Head language={language} wrap={wrap} onWrap={setWrap} textOf={textOf} />
      {/* A block that is wider than the page is scrolled by keys too. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <pre tabIndex={0} aria-label={`Code${language ? ` in ${language}` : ""}`}>
        <code>
          {slices(code).map((text, index) => (
            <Slice key={index} text={text} coloured={coloured[index]} />
          ))}
        </code>
      </pre>
    </figure>
  );
});

/** Apart, since it does not change while the code grows. */
const Head = memo(function Head({
  language,
  wrap,
  onWrap,
  textOf,
}: {
  language: string;
  wrap: boolean;
  onWrap: (wrap: boolean) => void;
  textOf: () => string;
}) {
  return (
    <figcaption>
      <span>{language || "text"}</span>
      <span className="code-tools">
        <IconButton
          label={wrap ? "Do not wrap lines" : "Wrap lines"}
          aria-pressed={wrap}
          icon={<WrapText />}
          size="sm"
          onClick={() => onWrap(!wrap)}
        />
        <CopyButton text={textOf} label="Copy the code" />
      </span>
    </figcaption>
  );
});
