/**
 * Between the address bar and the pages: asks who this browser is, and shows the sign-in where the
 * server wants a key and this browser has shown none. The router is not touched by it, so whoever
 * signs in is where he was going. Pages of one principal are taken down before another's come up.
 */
import { Fragment, type ReactNode, useEffect } from "react";

import { loadSession, useSession } from "@/api";

import { Mark } from "./Mark";
import { SignIn } from "./SignIn";

const ASK_AGAIN_MS = 2_000; // a queen that starts is there within a second or two
const CHECK_EVERY_MS = 60_000; // a session that ended while nothing was asked is noticed

export function SessionGate({ children }: { children: ReactNode }) {
  const state = useSession((s) => s.state);
  const name = useSession((s) => s.name);

  useEffect(() => {
    if (state === "out") return;
    if (state === "checking") void loadSession();
    const every = state === "in" ? CHECK_EVERY_MS : ASK_AGAIN_MS;
    const timer = setInterval(() => void loadSession(), every);
    return () => {
      clearInterval(timer);
    };
  }, [state]);

  // Another tab may have signed in as somebody else: the cookie is that one's now.
  if (state === "in") return <Fragment key={name}>{children}</Fragment>;
  if (state === "out") return <SignIn />;
  return (
    <main className="grid min-h-dvh place-items-center p-6 text-center" aria-busy="true">
      <div className="flex flex-col items-center gap-3">
        <Mark className="size-10 animate-breathe" />
        <p role="status" className="text-muted">
          {state === "checking"
            ? "Asking the queen who this browser is …"
            : "The queen does not answer. She is asked again every two seconds."}
        </p>
        {state === "unreachable" ? (
          <p className="text-xs text-faint">
            <code className="font-mono">rbee status</code> on her machine says more.
          </p>
        ) : null}
      </div>
    </main>
  );
}
