/**
 * Server-sent events from a `fetch`, which unlike `EventSource` can send headers, tells the status
 * of a refusal, and can be stopped. Jobs, chats and logs read with it; the state stream, which is one long
 * line a second, has a cutter of its own (`state/sse`).
 */

export interface SseMessage {
  /** The last `id:` line so far; it is what `Last-Event-ID` wants. */
  id: string;
  event: string;
  data: string;
}

/**
 * The messages of a body, one by one. Comments (keep-alives, places in a queue) go to `onComment`.
 * Ends when the body ends; a broken connection throws what `fetch` throws.
 */
export async function* sseMessages(
  body: ReadableStream<Uint8Array>,
  onComment?: (text: string) => void,
): AsyncGenerator<SseMessage, void, undefined> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  let id = "";
  let event = "";
  let data: string[] = [];
  try {
    for (;;) {
      const { value, done } = await reader.read();
      rest += decoder.decode(value ?? new Uint8Array(), { stream: !done });
      const lines = rest.split(/\r\n|\n|\r(?!$)/); // a CR at the very end may be half of a CRLF
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (line === "") {
          if (data.length > 0) yield { id, event: event || "message", data: data.join("\n") };
          event = "";
          data = [];
          continue;
        }
        if (line.startsWith(":")) {
          onComment?.(line.slice(1).trimStart());
          continue;
        }
        const colon = line.indexOf(":");
        const name = colon < 0 ? line : line.slice(0, colon);
        const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
        if (name === "data") data.push(value);
        else if (name === "id") id = value;
        else if (name === "event") event = value;
      }
      if (done) return;
    }
  } finally {
    // Whoever leaves early must not leave the connection open.
    await reader.cancel().catch(() => undefined);
  }
}
