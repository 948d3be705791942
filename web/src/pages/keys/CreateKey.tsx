/** The dialog that makes a key: whose it is, what it may do, for how long. Then it is shown, once. */
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api, asProblem, call, type Problem } from "@/api";
import type { components } from "@/api/schema";
import { toast } from "@/app";
import { Button, Checkbox, CodeBlock, Dialog, Field, Input, Notice, Select, Textarea } from "@/ui";

import { isComplete, isLimit, type KeyWish, SCOPES, type Scope, wishOf } from "./wish";

type KeyMade = components["schemas"]["KeyMade"];

const LIVES = [
  { value: "", label: "ever, until it is revoked" },
  { value: "86400", label: "1 day" },
  { value: "604800", label: "1 week" },
  { value: "2592000", label: "30 days" },
  { value: "7776000", label: "90 days" },
  { value: "31536000", label: "1 year" },
];

const EMPTY: KeyWish = {
  name: "",
  scopes: ["inference"],
  models: "",
  life: "",
  requestsPerMin: "",
  tokensPerMin: "",
  tokensPerDay: "",
};

/** Shown while it is open: the key leaves the page's memory with the dialog, whichever way that goes. */
export function CreateKey({ onClose }: { onClose: () => void }) {
  const queries = useQueryClient();
  const [wish, setWish] = useState(EMPTY);
  const [made, setMade] = useState<KeyMade | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const set = (change: Partial<KeyWish>): void => {
    setWish((old) => ({ ...old, ...change }));
    setProblem(null);
  };

  // A key on its way would be made and never seen.
  const close = (): void => {
    if (!busy) onClose();
  };

  const make = async (): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      setMade(await call(api.POST("/v1/keys", { body: wishOf(wish) })));
      await queries.invalidateQueries({ queryKey: ["keys"] });
    } catch (error) {
      setProblem(asProblem(error));
    } finally {
      setBusy(false);
    }
  };

  if (made !== null) {
    return (
      <Dialog
        open
        keep
        onOpenChange={close}
        title={`The key of ${made.about.name}`}
        description="It is shown now and never again: the queen keeps only its SHA-256."
        footer={
          <Button
            variant="primary"
            onClick={() => {
              toast.ok(`The key ${made.about.name} is in force.`);
              onClose();
            }}
          >
            I have put it away
          </Button>
        }
      >
        <div className="flex flex-col gap-3">
          <CodeBlock label="Key" code={made.key} wrap />
          <p className="text-muted">
            Give it to the one who shall have it, by a way that nobody else reads. Programs send it as{" "}
            <code className="font-mono text-xs">Authorization: Bearer …</code>; the examples on this page read
            it from <code className="font-mono text-xs">RBEE_API_KEY</code>.
          </p>
        </div>
      </Dialog>
    );
  }

  return (
    <Dialog
      open
      onOpenChange={close}
      title="Make a key"
      description="One for each client, team or program: then each can be limited and revoked alone."
      footer={
        <>
          <Button variant="ghost" onClick={close} disabled={busy}>
            Cancel
          </Button>
          <Button
            variant="primary"
            type="submit"
            form="create-key"
            busy={busy && "Making it …"}
            disabled={!isComplete(wish)}
          >
            Make the key
          </Button>
        </>
      }
    >
      <form
        id="create-key"
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          if (isComplete(wish) && !busy) void make();
        }}
      >
        {problem ? <Notice title={problem.message}>{problem.remedy}</Notice> : null}
        <Field label="Name" hint="Whose it is; it stands in listings and logs.">
          <Input
            value={wish.name}
            onChange={(event) => set({ name: event.target.value })}
            placeholder="team-search"
            maxLength={64}
            autoFocus
          />
        </Field>
        <fieldset className="flex flex-col gap-2">
          <legend className="mb-1.5 text-xs font-medium text-muted">It may</legend>
          {SCOPES.map(({ scope, title, about }) => (
            <Checkbox
              key={scope}
              checked={wish.scopes.includes(scope)}
              onChange={(on) => set({ scopes: toggled(wish.scopes, scope, on) })}
              label={title}
              hint={about}
            />
          ))}
        </fieldset>
        <Field label="Models" hint="One a line, patterns too (llama-*); empty: all of them.">
          <Textarea
            mono
            rows={2}
            value={wish.models}
            disabled={wish.scopes.includes("operator")}
            onChange={(event) => set({ models: event.target.value })}
          />
        </Field>
        <Field label="Good for">
          <Select value={wish.life} onChange={(life) => set({ life })} options={LIVES} />
        </Field>
        <div className="grid gap-3 sm:grid-cols-3">
          <Limit
            label="Requests a minute"
            value={wish.requestsPerMin}
            onValue={(requestsPerMin) => set({ requestsPerMin })}
          />
          <Limit
            label="Tokens a minute"
            value={wish.tokensPerMin}
            onValue={(tokensPerMin) => set({ tokensPerMin })}
          />
          <Limit
            label="Tokens a day"
            value={wish.tokensPerDay}
            onValue={(tokensPerDay) => set({ tokensPerDay })}
          />
        </div>
      </form>
    </Dialog>
  );
}

function Limit({
  label,
  value,
  onValue,
}: {
  label: string;
  value: string;
  onValue: (value: string) => void;
}) {
  return (
    <Field label={label} error={!isLimit(value) ? "A whole number, at least 1." : undefined}>
      <Input
        className="num"
        inputMode="numeric"
        placeholder="no limit"
        value={value}
        onChange={(event) => onValue(event.target.value)}
      />
    </Field>
  );
}

function toggled(scopes: readonly Scope[], scope: Scope, on: boolean): Scope[] {
  return on ? [...scopes, scope] : scopes.filter((one) => one !== scope);
}
