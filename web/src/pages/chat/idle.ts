/** Work that may wait for a quiet moment of the page: it comes in small parts, each in its own task. */

/** At the latest: a page that is never quiet gets it done too. */
const AT_LATEST_MS = 200;

/** Safari knows no idle callbacks: a pause that lets a key or a frame come first. */
const PAUSE_MS = 30;

/** Do something when the page is quiet; gives what calls it off. */
export function whenQuiet(work: () => void): () => void {
  if (typeof requestIdleCallback === "function") {
    const handle = requestIdleCallback(work, { timeout: AT_LATEST_MS });
    return () => cancelIdleCallback(handle);
  }
  const timer = setTimeout(work, PAUSE_MS);
  return () => clearTimeout(timer);
}
