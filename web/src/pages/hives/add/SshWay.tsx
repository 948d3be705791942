/** The queen installs a hive over SSH, with a key of her own, once an operator has given her one. */
import { useEffect, useState } from "react";

import { api, asProblem, call, type Problem } from "@/api";
import type { components } from "@/api/schema";
import { CodeBlock, Loading, Notice } from "@/ui";

import { SshInstall } from "./SshInstall";

type State = components["schemas"]["HiveInstallState"];

export function SshWay({ onDone }: { onDone: () => void }) {
  const [state, setState] = useState<State | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  useEffect(() => {
    let over = false;
    call(api.GET("/v1/hive-install"))
      .then((found) => over || setState(found))
      .catch((error: unknown) => over || setProblem(asProblem(error)));
    return () => {
      over = true;
    };
  }, []);
  if (problem)
    return (
      <Notice tone="bad" title={problem.message}>
        {problem.remedy}
      </Notice>
    );
  if (state === null) return <Loading text="Asking the queen whether she may …" />;
  return state.enabled ? (
    <SshInstall publicKey={state.public_key} onDone={onDone} />
  ) : (
    <Off reason={state.reason} />
  );
}

const KEY_LINES = `ssh-keygen -t ed25519 -N '' -C rbee-queen -f ~/.config/rbee/ssh_key
printf '[queen]\\nssh_key = "~/.config/rbee/ssh_key"\\n' >> ~/.config/rbee/config.toml`;

function Off({ reason }: { reason: string | null }) {
  return (
    <div className="flex flex-col gap-4">
      <p className="text-muted">
        From your own terminal it works at once, with your own SSH keys: it looks at the machine, sends what
        is needed, starts the hive, and waits until it is in the colony.
      </p>
      <CodeBlock code="rbee hive install --host me@gaming-pc" label="Command for your terminal" />
      <Notice tone="info" title={reason ?? "The queen may not do it herself yet."}>
        To have her do it from here, give her a key of her own on her machine, then restart her. Where
        config.toml has a section [queen] already, write the second line there.
      </Notice>
      <CodeBlock code={KEY_LINES} label="Commands for the queen's machine" wrap />
    </div>
  );
}
