/** One line to paste on the new machine: made here, good for one machine, and watched until it is used. */
import { RefreshCw, Trash2 } from "lucide-react";
import { useState } from "react";

import { api, call } from "@/api";
import { toast } from "@/app";
import { serverNow } from "@/state";
import {
  Button,
  CodeBlock,
  cn,
  Field,
  Input,
  Notice,
  Progress,
  Segmented,
  Select,
  useNow,
  Words,
} from "@/ui";

import { useArrival } from "./arrivals";
import { Joined } from "./Joined";
import { clock, hostOf, joinLine, type Shell } from "./line";
import { Steps, type Step } from "./Steps";

export interface MadeLine {
  id: string;
  token: string;
  name: string;
  urls: readonly string[];
  madeAt: number;
  expiresAt: number;
}

interface WayProps {
  line: MadeLine | null;
  onLine: (line: MadeLine | null) => void;
  onDone: () => void;
}

const LIFES = [
  { value: "900", label: "15 minutes" },
  { value: "3600", label: "1 hour" },
  { value: "86400", label: "1 day" },
  { value: "604800", label: "7 days" },
];

export function TokenWay({ line, onLine, onDone }: WayProps) {
  const arrival = useArrival(line ? `token ${line.id}` : null);
  if (line && arrival.hive)
    return <Joined hive={arrival.hive} onAnother={() => onLine(null)} onDone={onDone} />;
  if (line) return <Line line={line} member={arrival.member?.hive_id ?? null} onLine={onLine} />;
  return <Form onLine={onLine} />;
}

function Form({ onLine }: { onLine: (line: MadeLine) => void }) {
  const [name, setName] = useState("");
  const [life, setLife] = useState("3600");
  const [busy, setBusy] = useState(false);
  const make = async () => {
    setBusy(true);
    try {
      const wished = name.trim();
      const made = await call(
        api.POST("/v1/join-tokens", {
          body: { hive_ids: wished ? [wished] : [], expires_s: Number(life) },
        }),
      );
      onLine({
        id: made.id,
        token: made.token,
        name: wished,
        urls: made.urls,
        madeAt: serverNow(),
        expiresAt: serverNow() + Number(life),
      });
    } catch (error) {
      toast.problem(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form
      className="flex flex-col gap-4"
      onSubmit={(event) => {
        event.preventDefault();
        void make();
      }}
    >
      <p className="text-muted">
        You get a line with a secret in it. Whoever runs it first joins the colony with that machine; after
        that, or when its time is over, it is of no use to anybody.
      </p>
      <div className="grid gap-3 sm:grid-cols-2">
        <Field
          label="Name of the hive"
          hint="Else its host name. A bound name replaces an old hive of that name."
        >
          <Input
            value={name}
            placeholder="the machine's own name"
            onChange={(event) => setName(event.target.value)}
          />
        </Field>
        <Field label="Good for">
          <Select value={life} onChange={setLife} options={LIFES} />
        </Field>
      </div>
      <Button type="submit" variant="primary" busy={busy && "Making it …"} className="self-start">
        Make the line
      </Button>
    </form>
  );
}

function Line({
  line,
  member,
  onLine,
}: {
  line: MadeLine;
  member: string | null;
  onLine: (line: MadeLine | null) => void;
}) {
  const now = useNow();
  const urls = addresses(line);
  const [url, setUrl] = useState(urls[0] ?? "");
  const [shell, setShell] = useState<Shell>("sh");
  const left = line.expiresAt - now;
  const drop = async () => {
    try {
      await call(api.DELETE("/v1/join-tokens/{token_id}", { params: { path: { token_id: line.id } } }));
      toast.ok("Taken back: nobody can use that line now");
      onLine(null);
    } catch (error) {
      toast.problem(error);
    }
  };
  if (urls.length === 0) return <NotReachable onBack={() => void drop()} />;
  const isOver = left <= 0 && member === null;
  return (
    <div className="flex flex-col gap-4">
      <div className="flex flex-wrap items-center gap-2">
        <Segmented<Shell>
          label="The new machine's shell"
          value={shell}
          onChange={setShell}
          options={[
            { value: "sh", label: "Linux, macOS" },
            { value: "powershell", label: "Windows" },
          ]}
        />
        {urls.length > 1 ? (
          <Select
            label="The queen's address"
            value={url}
            onChange={setUrl}
            options={urls.map((each) => ({ value: each, label: hostOf(each) }))}
            className="h-7 w-auto max-w-60 text-xs"
          />
        ) : null}
      </div>
      <div className={cn(isOver && "opacity-40")}>
        <CodeBlock code={joinLine(url, line, shell)} label="Line for the new machine" wrap />
      </div>
      {member === null ? (
        <div className="flex items-center gap-3">
          <Progress
            value={Math.max(0, left) / (line.expiresAt - line.madeAt)}
            label="Time that the line is good for"
            tone={left < 60 ? "warn" : "accent"}
            className="max-w-40"
          />
          <span
            className={cn("whitespace-nowrap text-xs num", left < 60 ? "text-warn" : "text-muted")}
            role="timer"
          >
            {isOver ? "Its time is over" : `good for ${clock(left)}`}
          </span>
          {isOver ? (
            <Button
              size="sm"
              icon={<RefreshCw aria-hidden />}
              onClick={() => onLine(null)}
              className="ml-auto"
            >
              Make a new one
            </Button>
          ) : (
            <Button
              size="sm"
              variant="ghost"
              icon={<Trash2 aria-hidden />}
              onClick={drop}
              className="ml-auto"
            >
              Take it back
            </Button>
          )}
        </div>
      ) : null}
      {isOver ? null : <Steps label="What happens" steps={stepsOf(line, member)} />}
      <p className="text-xs text-faint">
        rbee has to be on that machine, in the queen&rsquo;s version. It needs no open port: it dials out, and
        works behind a router. The line is shown this once.
      </p>
    </div>
  );
}

function stepsOf(line: MadeLine, member: string | null): Step[] {
  const who = member ?? (line.name || "the machine");
  return [
    { state: "done", title: "The line is made" },
    {
      state: member === null ? "now" : "done",
      title: member === null ? "Paste it on the new machine" : `${who} has its certificate`,
      note: member === null ? "This window sees it at once." : undefined,
    },
    {
      state: member === null ? "next" : "now",
      title: member === null ? "It sends its first beat" : "Waiting for its first beat",
      note:
        member === null ? undefined : <Words text="If nothing comes: `rbee hive start` on that machine." />,
    },
  ];
}

/** Where the new machine may reach the queen: what she says herself, and where this page came from. */
function addresses(line: MadeLine): string[] {
  const here = window.location;
  const isOutside =
    here.protocol === "https:" && !["localhost", "127.0.0.1", "[::1]"].includes(here.hostname);
  return [...new Set([...line.urls, ...(isOutside ? [here.origin] : [])])];
}

function NotReachable({ onBack }: { onBack: () => void }) {
  return (
    <div className="flex flex-col gap-4">
      <Notice tone="warn" title="Only this machine reaches the queen">
        <p>
          She listens on 127.0.0.1 alone, so no other machine can join. Start her for others too; she then
          speaks TLS and wants a key:
        </p>
      </Notice>
      <CodeBlock code={"rbee down\nrbee up -d --bind 0.0.0.0"} label="Commands for the queen's machine" />
      <p className="text-muted">
        To make a hive of the queen&rsquo;s own machine nothing of this is needed:{" "}
        <code className="font-mono text-xs">rbee hive start</code> there.
      </p>
      <Button className="self-start" onClick={onBack}>
        Back
      </Button>
    </div>
  );
}
