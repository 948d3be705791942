/**
 * What went wrong, in the server's own words.
 *
 * Every failed request becomes one `Problem`: the message says what and where, the remedy what to
 * do. Three dialects are read (the control plane's flat object, OpenAI's and Anthropic's nested
 * ones), and so is a server that did not answer at all. Toasts and inline errors show nothing else.
 */

/** Codes that are made here, because no server was there to say them. */
export const UNREACHABLE = "unreachable";
export const ABORTED = "aborted";

interface ProblemParts {
  message: string;
  remedy?: string | null;
  code?: string;
  param?: string | null;
  status?: number;
  retryAfterS?: number | null;
  data?: unknown;
}

export class Problem extends Error {
  readonly remedy: string;
  readonly code: string;
  readonly param: string | null;
  /** HTTP status; 0 where there was no answer. */
  readonly status: number;
  readonly retryAfterS: number | null;
  /** What the server says beside it, e.g. one row for each setting that was refused. */
  readonly data: unknown;

  constructor(parts: ProblemParts) {
    super(parts.message);
    this.name = "Problem";
    this.remedy = parts.remedy ?? "";
    this.code = parts.code ?? "internal_error";
    this.param = parts.param ?? null;
    this.status = parts.status ?? 0;
    this.retryAfterS = parts.retryAfterS ?? null;
    this.data = parts.data;
  }
}

/** Whatever was thrown, as a `Problem`. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof DOMException && error.name === "AbortError") {
    return new Problem({ message: "It was stopped here.", code: ABORTED });
  }
  if (error instanceof TypeError) {
    // `fetch` says nothing else where no connection came about.
    return new Problem({
      message: "The server does not answer.",
      remedy: "Check that it runs (`rbee status`) and that this machine reaches it.",
      code: UNREACHABLE,
    });
  }
  return new Problem({ message: error instanceof Error ? error.message : String(error) });
}

/** An error's body (already parsed, or text) and its response, as a `Problem`. */
export function problemOf(body: unknown, response: Response): Problem {
  const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
  const common = {
    status: response.status,
    retryAfterS: Number.isFinite(seconds) ? seconds : null,
  };
  const flat = record(body);
  const nested = record(flat?.["error"]);
  if (nested) {
    const remedy = text(nested["remedy"]);
    return new Problem({
      ...common,
      message: withoutEnd(text(nested["message"]) ?? fallback(response), remedy),
      remedy,
      code: text(nested["code"]) ?? text(nested["type"]) ?? String(response.status),
      param: text(nested["param"]),
    });
  }
  return new Problem({
    ...common,
    message: text(flat?.["details"]) ?? text(flat?.["error"]) ?? fallback(response),
    remedy: text(flat?.["remedy"]),
    code: text(flat?.["code"]) ?? String(response.status),
    param: text(flat?.["param"]),
    data: flat?.["data"],
  });
}

/** Read a failed response to its end and make a `Problem` of it. */
export async function readProblem(response: Response): Promise<Problem> {
  const body = await response.text().catch(() => "");
  try {
    return problemOf(JSON.parse(body), response);
  } catch {
    return problemOf(undefined, response); // a proxy's HTML page helps nobody
  }
}

/** Clients of OpenAI show the message alone, so the remedy is said in it once more. */
function withoutEnd(message: string, remedy: string | null): string {
  return remedy !== null && message.endsWith(remedy) ? message.slice(0, -remedy.length).trimEnd() : message;
}

function fallback(response: Response): string {
  return `The server answered ${String(response.status)} ${response.statusText}`.trim() + ".";
}

function record(value: unknown): Record<string, unknown> | null {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null;
}

function text(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}
