/**
 * A formula. KaTeX loads with the first one; until then, and where it cannot be read, its source
 * stands there. It is drawn into DOM nodes, not into HTML text, so the page's CSP needs no holes.
 */
import { memo, useEffect, useRef, useState } from "react";

const load = () => import("./katex");
let loading: ReturnType<typeof load> | null = null;

export const Maths = memo(function Maths({ tex, display }: { tex: string; display: boolean }) {
  const place = useRef<HTMLSpanElement>(null);
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    let left = false;
    loading ??= load();
    loading.then(
      ({ draw }) => {
        if (!left && place.current) setFailed(!draw(tex, place.current, display));
      },
      () => setFailed(true),
    );
    return () => {
      left = true;
    };
  }, [tex, display]);
  if (failed) return <code className="maths-source">{tex}</code>;
  return display ? (
    <span className="maths-display" ref={place} role="math" aria-label={tex}>
      {""}
    </span>
  ) : (
    <span ref={place} role="math" aria-label={tex} />
  );
});
