/**
 * Server-sent events out of a stream's text, wherever the reads are cut. Pure.
 *
 * Only what the state stream uses: `id` and `data` on one line each, LF line ends, comments.
 */

export interface ServerEvent {
  id: string | null;
  data: string;
}

/** Feed it text, get the events that are complete. */
export class EventCutter {
  // The pieces of an event that has not ended: joining them once beats growing a string.
  private held = "";

  feed(text: string): ServerEvent[] {
    const events: ServerEvent[] = [];
    let rest = this.held === "" ? text : this.held + text;
    let end = rest.indexOf("\n\n");
    while (end !== -1) {
      const event = parse(rest.slice(0, end));
      if (event !== null) events.push(event);
      rest = rest.slice(end + 2);
      end = rest.indexOf("\n\n");
    }
    this.held = rest;
    return events;
  }
}

function parse(block: string): ServerEvent | null {
  let id: string | null = null;
  const data: string[] = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("data:")) data.push(line.slice(line.startsWith("data: ") ? 6 : 5));
    else if (line.startsWith("id:")) id = line.slice(3).trim();
  }
  return data.length === 0 ? null : { id, data: data.join("\n") };
}
