/**
 * The sign-in: a key, once. It goes from the form to the server and is kept nowhere by script; the
 * browser's own password store may keep it, which is why the form looks as such stores expect.
 */
import { ArrowRight, Eye, EyeOff } from "lucide-react";
import { type FormEvent, useEffect, useRef, useState } from "react";

import { asProblem, type Problem, signIn, useSession } from "@/api";

import { Mark } from "./Mark";

export function SignIn() {
  const ended = useSession((s) => s.ended);
  const input = useRef<HTMLInputElement>(null);
  const [shown, setShown] = useState(false);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  useEffect(() => {
    document.title = "Sign in · rbee";
    input.current?.focus();
  }, []);

  const submit = async (event: FormEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault();
    const field = input.current;
    const key = field?.value.trim() ?? "";
    if (field === null || key === "") return;
    setBusy(true);
    setProblem(null);
    try {
      await signIn(key);
    } catch (error) {
      setProblem(asProblem(error));
      field.focus();
      field.select();
    } finally {
      setBusy(false);
    }
  };

  return (
    <main className="grid min-h-dvh place-items-center bg-bg p-4">
      <div className="flex w-full max-w-[22rem] flex-col gap-5">
        <div className="flex flex-col items-center gap-3 text-center">
          <Mark className="size-12" />
          <div>
            <h1 className="text-xl font-semibold tracking-tight">Sign in to this colony</h1>
            <p className="mt-1 text-muted">
              {ended
                ? "The session has ended. Sign in again to go on where you were."
                : `The queen at ${window.location.host} wants a key.`}
            </p>
          </div>
        </div>
        <form
          onSubmit={submit}
          method="post"
          className="flex flex-col gap-3 rounded-xl border bg-surface p-4 shadow-pop"
        >
          {/* Password stores want a name beside the secret; nobody else does. */}
          <input type="text" name="username" autoComplete="username" value="colony" readOnly hidden />
          <div className="flex flex-col gap-1">
            <label htmlFor="key" className="text-xs font-medium text-muted">
              Key
            </label>
            <span className="relative">
              <input
                id="key"
                ref={input}
                name="password"
                type={shown ? "text" : "password"}
                autoComplete="current-password"
                spellCheck={false}
                required
                aria-invalid={problem !== null || undefined}
                aria-describedby="key-note"
                className="h-9 w-full rounded-md border border-line-strong bg-bg px-2.5 pr-10 font-mono text-xs hover:border-faint focus-visible:outline-offset-0 aria-invalid:border-bad"
              />
              <button
                type="button"
                aria-label={shown ? "Hide the key" : "Show the key"}
                onClick={() => setShown(!shown)}
                className="absolute right-1 top-1 grid size-7 place-items-center rounded-sm text-faint hover:text-fg"
              >
                {shown ? <EyeOff className="size-4" /> : <Eye className="size-4" />}
              </button>
            </span>
            <p id="key-note" role="alert" className={problem ? "text-xs text-bad" : "text-xs text-faint"}>
              {problem
                ? problem.code === "invalid_api_key"
                  ? "This key is not valid here. Was it copied whole, and is it still in force?"
                  : `${problem.message} ${problem.remedy}`
                : "The colony’s key, or one that an operator made for you."}
            </p>
          </div>
          <button
            type="submit"
            disabled={busy}
            aria-busy={busy}
            className="inline-flex h-9 items-center justify-center gap-2 rounded-md bg-accent text-sm font-medium text-accent-ink hover:bg-[color-mix(in_srgb,var(--accent)_88%,var(--fg))] disabled:opacity-60"
          >
            {busy ? "Signing in …" : "Sign in"}
            {busy ? null : <ArrowRight className="size-4" aria-hidden />}
          </button>
        </form>
        <p className="text-center text-xs text-faint">
          Lost it? On the queen’s machine it stands in <code className="font-mono">RBEE_API_KEY</code> or the
          file <code className="font-mono">api_key</code> of her settings.
        </p>
      </div>
    </main>
  );
}
