/** What every canvas needs: its size in real pixels, and to draw only while somebody can see it. */
import { useEffect, useRef, type RefObject } from "react";

/** Sizes the canvas for the screen's density and returns its context, scaled to CSS pixels. */
export function prepare(
  canvas: HTMLCanvasElement,
  width: number,
  height: number,
): CanvasRenderingContext2D | null {
  const density = Math.min(3, window.devicePixelRatio || 1);
  const [w, h] = [Math.round(width * density), Math.round(height * density)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext("2d");
  context?.setTransform(density, 0, 0, density, 0, 0);
  context?.clearRect(0, 0, width, height);
  return context;
}

/**
 * Calls `draw` on each signal of `listen` while `element` is in sight, and once when it comes into sight.
 * A chart below the fold costs nothing.
 */
export function useDrawing(
  element: RefObject<HTMLElement | null>,
  draw: () => void,
  listen: (wake: () => void) => () => void,
): void {
  const latest = useRef(draw);
  useEffect(() => {
    latest.current = draw;
  });
  useEffect(() => {
    const target = element.current;
    if (!target) return undefined;
    let seen = false;
    const wake = () => {
      if (seen && !document.hidden) latest.current();
    };
    const sight = new IntersectionObserver((entries) => {
      // Several may have gathered, oldest first: the last one says how it is.
      seen = entries.at(-1)?.isIntersecting ?? seen;
      wake();
    });
    sight.observe(target);
    const stop = listen(wake);
    document.addEventListener("visibilitychange", wake);
    return () => {
      sight.disconnect();
      stop();
      document.removeEventListener("visibilitychange", wake);
    };
  }, [element, listen]);
}
