/**
 * Wakes many listeners without holding a frame for long.
 *
 * A message of a large colony changes what a dozen charts, a topology and forty rows show. All of
 * that in one go is a task of 40 ms, once a second: one dropped frame in sixty. So listeners are
 * woken a few at a time, in as many frames as it takes; React renders what each few wanted in the
 * microtask after them, and is counted too. A listener that is woken again before its turn came
 * has one turn.
 */

/** What a frame may spend here: half of 16.7 ms, the rest is for layout, paint and the pointer. */
const FRAME_MS_MAX = 8;

/** Listeners between two looks at the clock: each pair is one render, and any may be a whole chart. */
const AT_ONCE = 2;

/** A hidden page draws no frames; listeners (the tab's title) hear all the same, by a timer. */
const FRAME_LATE_MS = 250;

type Listener = () => void;

/** Listeners that wait for their turn; each with the set that it must still stand in. */
const waiting = new Map<Listener, ReadonlySet<Listener>>();
let running = false;

/** Wake all of a set, soon. Who leaves the set before its turn is not woken. */
export function spread(listeners: ReadonlySet<Listener>): void {
  for (const listener of listeners) waiting.set(listener, listeners);
  if (waiting.size === 0 || running) return;
  running = true;
  void wakeAll();
}

async function wakeAll(): Promise<void> {
  while (waiting.size > 0) {
    await nextFrame();
    const began = performance.now();
    while (waiting.size > 0 && performance.now() - began < FRAME_MS_MAX) {
      wakeSome();
      await Promise.resolve(); // React's own microtask stands before this one: it has rendered now
    }
  }
  running = false;
}

function wakeSome(): void {
  let count = 0;
  for (const [listener, those] of waiting) {
    waiting.delete(listener);
    if (!those.has(listener)) continue;
    try {
      listener();
    } catch (error) {
      // One chart that fails must not stop all others for ever; the console says which it was.
      reportError(error);
    }
    count += 1;
    if (count === AT_ONCE) return;
  }
}

function nextFrame(): Promise<void> {
  return new Promise((resolve) => {
    const late = setTimeout(resolve, FRAME_LATE_MS);
    if (typeof document === "undefined" || document.hidden) return;
    requestAnimationFrame(() => {
      clearTimeout(late);
      resolve();
    });
  });
}
