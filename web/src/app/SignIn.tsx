/**
 * The sign-in: a key, once. It goes from the form to the server and is kept nowhere by script; the
 * browser's own password store may keep it, which is why the form looks as such stores expect.
 */
import { type FormEvent, useRef, useState } from "react";

import { asProblem, type Problem, signIn, useSession } from "@/api";

export function SignIn() {
  const ended = useSession((s) => s.ended);
  const input = useRef<HTMLInputElement>(null);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);

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
      field.select();
    } finally {
      setBusy(false);
    }
  };

  return (
    <main className="grid min-h-dvh place-items-center p-6">
      <form onSubmit={submit} className="flex w-full max-w-sm flex-col gap-3" method="post">
        <h1>Sign in to this colony</h1>
        <p>{ended ? "The session has ended." : "This queen wants a key."}</p>
        <label htmlFor="key">Key</label>
        <input
          id="key"
          ref={input}
          name="key"
          type="password"
          autoComplete="current-password"
          spellCheck={false}
          required
          aria-invalid={problem !== null}
          aria-describedby="key-problem"
        />
        <p id="key-problem" role="alert">
          {problem && `${problem.message} ${problem.remedy}`}
        </p>
        <button type="submit" disabled={busy}>
          {busy ? "Signing in …" : "Sign in"}
        </button>
      </form>
    </main>
  );
}
