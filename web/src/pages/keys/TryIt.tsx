/** One request to the model, as the examples make it, answered here as it comes. */
import { Play, Square } from "lucide-react";
import { useEffect, useRef, useState } from "react";

import { asProblem, may, type Problem, readProblem, sessionFetch, sseMessages } from "@/api";
import { Button, Card, Field, format, Notice, Textarea } from "@/ui";

const PROMPT = "Say hello, and tell me in one sentence what a bee colony is.";
const MEASURABLE_S = 0.05; // below that the figure is of the network's packets, not of the model
const ANSWER_TOKENS_MAX = 200; // a trial ends soon, whatever the model has to say

interface Answer {
  text: string;
  /** Where the request stands while nothing has come. */
  waiting: string;
  firstS: number | null;
  tookS: number | null;
  tokens: number;
  worker: string | null;
}

const NOTHING: Answer = { text: "", waiting: "", firstS: null, tookS: null, tokens: 0, worker: null };

export function TryIt({ model }: { model: string }) {
  const [prompt, setPrompt] = useState(PROMPT);
  const [answer, setAnswer] = useState<Answer>(NOTHING);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [running, setRunning] = useState<AbortController | null>(null);
  const leave = useRef<AbortController | null>(null);
  useEffect(() => () => leave.current?.abort(), []);

  const run = async (): Promise<void> => {
    const control = new AbortController();
    leave.current = control;
    setRunning(control);
    setProblem(null);
    setAnswer({ ...NOTHING, waiting: "Asking …" });
    try {
      await ask(model, prompt, control.signal, (change) => {
        setAnswer((old) => ({ ...old, ...change(old) }));
      });
    } catch (error) {
      if (!control.signal.aborted) setProblem(asProblem(error));
    } finally {
      setRunning(null);
      setAnswer((old) => ({ ...old, waiting: "" }));
    }
  };

  return (
    <Card
      title="Try it"
      note={model}
      actions={
        running ? (
          <Button size="sm" icon={<Square />} onClick={() => running.abort()}>
            Stop
          </Button>
        ) : (
          <Button
            size="sm"
            variant="primary"
            icon={<Play />}
            disabled={prompt.trim() === "" || !may("inference")}
            title={
              may("inference") ? undefined : "This key may look, not ask: it lacks the scope “inference”"
            }
            onClick={() => void run()}
          >
            Send
          </Button>
        )
      }
    >
      <div className="flex flex-col gap-3">
        <Field label="Prompt" hideLabel>
          <Textarea rows={2} value={prompt} onChange={(event) => setPrompt(event.target.value)} />
        </Field>
        {problem ? <Notice title={problem.message}>{problem.remedy}</Notice> : null}
        <div
          aria-live="polite"
          aria-label="Answer"
          role="region"
          className="min-h-28 whitespace-pre-wrap break-words rounded-md border bg-bg p-3 leading-relaxed"
        >
          {answer.text || (
            <span className="text-faint">{answer.waiting || "The answer comes here, word by word."}</span>
          )}
        </div>
        <Figures answer={answer} />
      </div>
    </Card>
  );
}

function Figures({ answer }: { answer: Answer }) {
  const { firstS, tookS, tokens } = answer;
  const writingS = firstS !== null && tookS !== null ? tookS - firstS : null;
  const speed = writingS !== null && writingS > MEASURABLE_S && tokens > 1 ? (tokens - 1) / writingS : null;
  return (
    <p className="flex flex-wrap gap-x-4 gap-y-1 text-xs text-muted num">
      <span>first word: {format.latency(firstS)}</span>
      <span>speed: {format.tokensPerS(speed)}</span>
      <span>in all: {format.latency(tookS)}</span>
      {answer.worker === null ? null : <span className="break-all">by {answer.worker}</span>}
    </p>
  );
}

type Change = (old: Answer) => Partial<Answer>;

/** @throws Problem the request was refused, or failed on its way. */
async function ask(
  model: string,
  prompt: string,
  signal: AbortSignal,
  take: (change: Change) => void,
): Promise<void> {
  const began = performance.now();
  const since = (): number => (performance.now() - began) / 1000;
  const response = await sessionFetch("/v1/chat/completions", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      model,
      messages: [{ role: "user", content: prompt }],
      max_tokens: ANSWER_TOKENS_MAX,
      stream: true,
    }),
    signal,
  });
  if (!response.ok) throw await readProblem(response);
  if (response.body === null) return;
  const worker = response.headers.get("x-rbee-worker");
  take(() => ({ worker, waiting: "The model reads the prompt …" }));
  const comments = (text: string): void => {
    take((old) => (old.text === "" ? { waiting: waitingWords(text) } : {}));
  };
  for await (const { data } of sseMessages(response.body, comments)) {
    if (data === "[DONE]") break;
    const event = JSON.parse(data) as Event;
    if (event.error !== undefined) throw asProblem(new Error(event.error.message));
    const piece = event.choices?.[0]?.delta?.content ?? "";
    if (piece === "") continue;
    const at = since();
    take((old) => ({
      text: old.text + piece,
      tokens: old.tokens + 1,
      firstS: old.firstS ?? at,
      tookS: at,
    }));
  }
}

interface Event {
  choices?: { delta?: { content?: string | null } }[];
  error?: { message: string };
}

/** The queue's comments (`waiting position=1 eta_s=3 reason=…`) as words. */
function waitingWords(comment: string): string {
  const found = /^waiting position=(\d+) eta_s=(\S+) reason=(.*)$/.exec(comment);
  if (found === null) return "Waiting …";
  const [, position, eta, reason] = found;
  const when = eta === "unknown" ? "" : `, about ${eta} s`;
  return `Place ${position} in the queue${when}: ${reason}`;
}
