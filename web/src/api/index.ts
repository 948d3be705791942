/** What pages need of the server: one import, `@/api`. */
export { api, call } from "./client";
export { cancelJob, followJob, type JobEnd, type JobEvent, type Operation, runJob, startJob } from "./jobs";
export { ABORTED, asProblem, Problem, readProblem, UNREACHABLE } from "./problems";
export {
  loadSession,
  may,
  session,
  sessionFetch,
  type SessionState,
  signedOut,
  signIn,
  signOut,
  useSession,
} from "./session";
export { type SseMessage, sseMessages } from "./sse";
