/** The form of an installation over SSH, its steps as they happen, and the fingerprint to compare. */
import { Fingerprint } from "lucide-react";
import { useState } from "react";

import { useTable } from "@/state";
import { Button, CodeBlock, Copyable, Field, Input, Notice, Select, Words } from "@/ui";

import { Joined } from "./Joined";
import { Steps, type Step } from "./Steps";
import { useInstall, type InstallWish } from "./useInstall";

const UNITS = [
  { value: "auto", label: "Whatever works there" },
  { value: "system", label: "A system service" },
  { value: "user", label: "A service of that account" },
  { value: "process", label: "A plain process" },
];

export function SshInstall({ publicKey, onDone }: { publicKey: string | null; onDone: () => void }) {
  const install = useInstall();
  const hives = useTable("hives");
  const [wish, setWish] = useState<InstallWish>({
    host: "",
    name: "",
    labels: "",
    unit: "auto",
    queenUrl: "",
  });
  const set = (part: Partial<InstallWish>) => setWish((old) => ({ ...old, ...part }));
  const joined = install.joined === null ? undefined : hives.get(install.joined);
  if (joined) return <Joined hive={joined} onAnother={install.reset} onDone={onDone} />;
  const isBusy = install.state === "running";
  if (install.state !== "idle")
    return (
      <div className="flex flex-col gap-4">
        <p className="font-medium">{wish.host}</p>
        <Steps label={`Installing on ${wish.host}`} steps={stepsOf(install.steps, install.state)} />
        {install.commands ? <CodeBlock code={install.commands.join("\n")} label="Commands" /> : null}
        {install.unknown ? (
          <UnknownHost
            host={install.unknown.host}
            fingerprint={install.unknown.fingerprint}
            onTrust={() => install.start(wish, { fingerprint: install.unknown?.fingerprint ?? "" })}
          />
        ) : install.problem ? (
          <Notice tone="bad" title={install.problem.message}>
            <Words text={install.problem.remedy} />
          </Notice>
        ) : null}
        <div className="flex gap-2">
          {isBusy ? (
            <Button onClick={install.cancel}>Cancel</Button>
          ) : (
            <>
              <Button onClick={install.reset}>Back</Button>
              {install.unknown ? null : (
                <Button variant="primary" onClick={() => install.start(wish)}>
                  {install.commands ? "Do it" : "Try again"}
                </Button>
              )}
            </>
          )}
        </div>
      </div>
    );
  return (
    <form
      className="flex flex-col gap-4"
      onSubmit={(event) => {
        event.preventDefault();
        install.start(wish);
      }}
    >
      {publicKey ? (
        <div className="flex flex-col gap-1">
          <p className="text-muted">
            Put the queen&rsquo;s public key into{" "}
            <code className="font-mono text-xs">~/.ssh/authorized_keys</code> of an account on the new
            machine:
          </p>
          <Copyable text={publicKey} />
        </div>
      ) : null}
      <div className="grid gap-3 sm:grid-cols-2">
        <Field label="Machine" hint="user@name, or user@name:port">
          <Input
            required
            mono
            value={wish.host}
            placeholder="me@gaming-pc"
            onChange={(event) => set({ host: event.target.value })}
          />
        </Field>
        <Field label="Name of the hive" hint="Else its host name.">
          <Input value={wish.name} onChange={(event) => set({ name: event.target.value })} />
        </Field>
        <Field label="Labels" hint="Words by which models may be kept to it: gpu, room-2">
          <Input value={wish.labels} onChange={(event) => set({ labels: event.target.value })} />
        </Field>
        <Field label="Started by">
          <Select
            value={wish.unit}
            onChange={(unit) => set({ unit: unit as InstallWish["unit"] })}
            options={UNITS}
          />
        </Field>
        <Field
          label="The queen's address"
          hint="As that machine reaches it. Else it is found out."
          className="sm:col-span-2"
        >
          <Input
            mono
            value={wish.queenUrl}
            placeholder="https://192.168.1.5:7833"
            onChange={(event) => set({ queenUrl: event.target.value })}
          />
        </Field>
      </div>
      <div className="flex flex-wrap gap-2">
        <Button type="submit" variant="primary" disabled={wish.host.trim() === ""}>
          Install
        </Button>
        <Button disabled={wish.host.trim() === ""} onClick={() => install.start(wish, { dryRun: true })}>
          Only look, show the commands
        </Button>
      </div>
    </form>
  );
}

function stepsOf(said: readonly string[], state: string): Step[] {
  return said.map((title, at) => {
    const isLast = at === said.length - 1;
    return { title, state: !isLast || state === "done" ? "done" : state === "running" ? "now" : "failed" };
  });
}

function UnknownHost({
  host,
  fingerprint,
  onTrust,
}: {
  host: string;
  fingerprint: string;
  onTrust: () => void;
}) {
  return (
    <section
      aria-label="A machine that is met for the first time"
      className="flex flex-col gap-3 rounded-lg border border-accent bg-accent-soft p-3.5"
    >
      <p className="flex items-center gap-2 font-medium">
        <Fingerprint className="size-4 shrink-0 text-accent-text" aria-hidden />
        {host} is met for the first time. Its key has this fingerprint:
      </p>
      <code className="break-all font-mono text-lg font-semibold">{fingerprint}</code>
      <p className="text-muted">Compare it with what that machine&rsquo;s own console says:</p>
      <CodeBlock
        code="ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub"
        label="Command for the machine's console"
      />
      <Button variant="primary" className="self-start" onClick={onTrust}>
        They are the same: go on
      </Button>
    </section>
  );
}
