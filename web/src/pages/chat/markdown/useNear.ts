/**
 * Whether an element was ever near the screen. What is drawn for people (colours) waits for it: a
 * long chat has more of it than anyone looks at. One observer for all elements of the page.
 */
import { type RefObject, useEffect, useState } from "react";

/** About a screen ahead: scrolling finds it done. */
const AHEAD = "800px 0px";

const calls = new WeakMap<Element, () => void>();
let observer: IntersectionObserver | null = null;

export function useNear(place: RefObject<Element | null>): boolean {
  const [near, setNear] = useState(false);
  useEffect(() => {
    const element = place.current;
    if (near || !element) return undefined;
    observer ??= made();
    calls.set(element, () => setNear(true));
    observer.observe(element);
    return () => observer?.unobserve(element);
  }, [near, place]);
  return near;
}

function made(): IntersectionObserver {
  // `scrollMargin` looks past the edge of the scroller; where it is not known, colours come with the
  // first line that is seen.
  const options: IntersectionObserverInit & { scrollMargin: string } = {
    rootMargin: AHEAD,
    scrollMargin: AHEAD,
  };
  return new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) if (isIntersecting) calls.get(target)?.();
  }, options);
}
