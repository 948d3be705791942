/**
 * Asks the worker that colours code, which begins with the first block of code.
 *
 * Where a browser gives no worker, or it fails, code stays plain: it is read all the same.
 */
import type { Asked, Told } from "./highlight.worker";

let worker: Worker | null = null;
let asked = 0;
const waiting = new Map<number, (told: Told) => void>();

/** The colours of a code text from slice `from` on; see `Told`. Never rejects. */
export function coloursOf(code: string, language: string, from: number): Promise<Told> {
  asked += 1;
  const id = asked;
  const plain: Told = { id, found: null, tookMs: 0 };
  return new Promise((resolve) => {
    try {
      worker ??= begun();
      waiting.set(id, resolve);
      worker.postMessage({ id, code, language, from } satisfies Asked);
    } catch {
      // No workers here (an old browser, a strict policy).
      waiting.delete(id);
      resolve(plain);
    }
  });
}

function begun(): Worker {
  const made = new Worker(new URL("./highlight.worker.ts", import.meta.url), { type: "module" });
  made.addEventListener("message", ({ data }: MessageEvent<Told>) => {
    waiting.get(data.id)?.(data);
    waiting.delete(data.id);
  });
  made.addEventListener("error", () => {
    for (const [id, resolve] of waiting) resolve({ id, found: null, tookMs: 0 });
    waiting.clear();
  });
  return made;
}
