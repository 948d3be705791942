/**
 * The typed client. Its types are generated from the queen's own `/openapi.json` (`make api`), so a
 * route or a field that is not there does not compile. `call` unwraps an answer or throws a
 * `Problem`; nothing else in the console reads statuses.
 */
import createClient from "openapi-fetch";

import { asProblem, problemOf } from "./problems";
import type { paths } from "./schema";
import { sessionFetch } from "./session";

/** `api.GET("/v1/plan", { params: { query: { model } } })`, and so on; see `call`. */
export const api = createClient<paths>({ baseUrl: "", fetch: sessionFetch });

interface Answered<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/**
 * The data of an answer: `const plan = await call(api.GET("/v1/plan", …))`.
 *
 * @throws Problem the server refused, failed, or did not answer.
 */
export async function call<T>(answer: Promise<Answered<T>>): Promise<T> {
  let found: Answered<T>;
  try {
    found = await answer;
  } catch (error) {
    throw asProblem(error);
  }
  if (!found.response.ok) throw problemOf(found.error, found.response);
  return found.data as T;
}
