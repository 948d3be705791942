/**
 * Who this browser is to the server, and the one way in which requests leave the page.
 *
 * A key is sent once, to `POST /v1/session`; from then on an HttpOnly cookie stands for it, which
 * no script can read. Only the CSRF token is held here, in memory. `sessionFetch` adds it to what
 * changes something, and when any request is answered 401 it flips the state to `out`: the gate
 * (`app/SessionGate`) then shows the sign-in in place of the pages, and the address stays as it is.
 */
import { create } from "zustand";

import { asProblem, type Problem, readProblem } from "./problems";

const CSRF_HEADER = "X-CSRF-Token";
const SAFE = new Set(["GET", "HEAD", "OPTIONS"]);
const SESSION_PATH = "/v1/session";

/** The answer to `GET /v1/session`. */
export interface SessionAnswer {
  name: string;
  scopes: string[];
  models: string[];
  csrf_token: string | null;
  expires_at: number | null;
}

export interface SessionState {
  /** `checking` until the server has said who this is; `unreachable` while it says nothing. */
  state: "checking" | "in" | "out" | "unreachable";
  /** The principal's name: a key's, `colony`, or `local` where no key is wanted. */
  name: string;
  scopes: readonly string[];
  /** Patterns of models that it may use; empty means all. */
  models: readonly string[];
  operator: boolean;
  /** True where a cookie is in use, so that signing out means something. */
  signedIn: boolean;
  expiresAt: number | null;
  csrfToken: string | null;
  /** Was in before and is out now: the sign-in says that the session ended. */
  ended: boolean;
}

const NOBODY = {
  name: "",
  scopes: [],
  models: [],
  operator: false,
  signedIn: false,
  expiresAt: null,
  csrfToken: null,
} satisfies Partial<SessionState>;

export const useSession = create<SessionState>()(() => ({
  ...NOBODY,
  state: "checking",
  ended: false,
}));

/** The session outside of React. */
export const session = (): SessionState => useSession.getState();

/** Whether this browser may do what asks for a scope. */
export function may(scope: string): boolean {
  const { operator, scopes } = session();
  return operator || scopes.includes(scope);
}

function take(answer: SessionAnswer): void {
  useSession.setState({
    state: "in",
    name: answer.name,
    scopes: answer.scopes,
    models: answer.models,
    operator: answer.scopes.includes("operator"),
    signedIn: answer.csrf_token !== null,
    expiresAt: answer.expires_at,
    csrfToken: answer.csrf_token,
    ended: false,
  });
}

/** The server refused this browser: forget who it was. */
export function signedOut(): void {
  const was = session().state === "in";
  useSession.setState({ ...NOBODY, state: "out", ended: was || session().ended });
}

/** Ask the server who this browser is. Never throws: the state says what came of it. */
export async function loadSession(): Promise<void> {
  try {
    const response = await fetch(SESSION_PATH, { headers: { accept: "application/json" } });
    if (response.status === 401) signedOut();
    else if (response.ok) take((await response.json()) as SessionAnswer);
    else unreachable();
  } catch {
    unreachable();
  }
}

/** Nobody said who this is. Whoever is in stays: a restart must not take the pages down. */
function unreachable(): void {
  if (session().state !== "in") useSession.setState({ state: "unreachable" });
}

/**
 * Exchange a key for a cookie. The caller drops the key at once.
 *
 * @throws Problem the key is not valid, or there were too many attempts.
 */
export async function signIn(key: string): Promise<void> {
  let response: Response;
  try {
    response = await fetch(SESSION_PATH, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ key }),
    });
  } catch (error) {
    throw asProblem(error);
  }
  if (!response.ok) throw await readProblem(response);
  take((await response.json()) as SessionAnswer);
}

/** Give the cookie back. The server forgets the session whatever becomes of the answer. */
export async function signOut(): Promise<void> {
  await sessionFetch(new Request(SESSION_PATH, { method: "DELETE" })).catch(() => undefined);
  useSession.setState({ ...NOBODY, state: "checking", ended: false });
  await loadSession(); // where no key is wanted this browser is in again at once
}

/**
 * `fetch` with this session. Streams go through it too.
 *
 * A 403 about the CSRF token means that another tab signed in anew: the token is asked for and the
 * request sent once more.
 */
export async function sessionFetch(input: Request | string, init?: RequestInit): Promise<Response> {
  const request = new Request(input, init);
  if (SAFE.has(request.method)) return seen(await fetch(request));
  const again = request.clone();
  const response = seen(await fetch(withToken(request)));
  if (response.status !== 403 || !(await isAboutToken(response.clone()))) return response;
  await loadSession();
  return seen(await fetch(withToken(again)));
}

function withToken(request: Request): Request {
  const { csrfToken } = session();
  if (csrfToken !== null) request.headers.set(CSRF_HEADER, csrfToken);
  return request;
}

function seen(response: Response): Response {
  if (response.status === 401) signedOut();
  return response;
}

async function isAboutToken(response: Response): Promise<boolean> {
  const problem: Problem = await readProblem(response);
  return problem.param === CSRF_HEADER;
}
