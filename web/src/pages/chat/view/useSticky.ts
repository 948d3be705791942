/**
 * A scroller that stays at its end while it grows, until a person scrolls away from there.
 *
 * Who makes it grow calls `follow` with the change: then the frame is laid out and painted at the new
 * end at once. A ResizeObserver heeds whatever else makes it grow (a load's bar, a formula that was
 * drawn), which costs the frame a second round.
 */
import { type RefObject, useCallback, useEffect, useRef, useState } from "react";

/** Within so many px of the end one is at the end: zoom and touch leave fractions. */
const NEAR_PX = 40;

export interface Sticky {
  scroller: RefObject<HTMLDivElement | null>;
  content: RefObject<HTMLDivElement | null>;
  atEnd: boolean;
  toEnd: () => void;
  /** The content has just grown. */
  follow: () => void;
}

export function useSticky(name: string): Sticky {
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const following = useRef(true);
  const [atEnd, setAtEnd] = useState(true);

  const toEnd = useCallback(() => {
    const element = scroller.current;
    following.current = true;
    setAtEnd(true);
    if (element) element.scrollTop = element.scrollHeight;
  }, []);

  const follow = useCallback(() => {
    const element = scroller.current;
    if (element && following.current) element.scrollTop = element.scrollHeight;
  }, []);

  useEffect(() => {
    const element = scroller.current;
    const inner = content.current;
    if (!element || !inner) return undefined;
    let last = element.scrollTop;
    const scrolled = () => {
      const near = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_PX;
      // Only a move upwards leaves the end: growth alone also changes the distance.
      if (near) following.current = true;
      else if (element.scrollTop < last - 1) following.current = false;
      last = element.scrollTop;
      setAtEnd(near || following.current);
    };
    const grown = new ResizeObserver(follow);
    grown.observe(inner);
    grown.observe(element);
    element.addEventListener("scroll", scrolled, { passive: true });
    return () => {
      grown.disconnect();
      element.removeEventListener("scroll", scrolled);
    };
  }, [follow]);

  // Another chat begins at its end.
  useEffect(() => toEnd(), [name, toEnd]);
  return { scroller, content, atEnd, toEnd, follow };
}
