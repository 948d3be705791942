/** How programs use this colony, ready to copy, and a request to try at once. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Package } from "lucide-react";
import { useMemo } from "react";

import { api, call, may, useSession } from "@/api";
import { useUrlState } from "@/app";
import { useTable } from "@/state";
import { buttonClass, Card, CodeBlock, Copyable, Empty, Field, Notice, Select, Tabs } from "@/ui";

import { secure, snippets, trustCommand } from "./snippets";
import { TryIt } from "./TryIt";

interface Usable {
  id: string;
  ready: boolean;
}

const ASK_AGAIN_MS = 10_000; // a download takes minutes

/** The models that answer in words, those that are loaded first, each once however many hives have it. */
function useModels(): Usable[] {
  const models = useTable("models");
  const workers = useTable("workers");
  const listed = useListed();
  return useMemo(() => {
    const ready = new Set([...workers.values()].filter((w) => w.serving).map((w) => w.model));
    const ids = new Set([...models.values()].filter((m) => !m.embedding && !m.rerank).map((m) => m.model_id));
    const found = listed ?? [...ids].map((id) => ({ id, ready: ready.has(id) }));
    return found.toSorted((a, b) => Number(b.ready) - Number(a.ready) || a.id.localeCompare(b.id));
  }, [models, workers, listed]);
}

/** For a key that may not look at the colony: what the API itself lists for it. */
function useListed(): Usable[] | undefined {
  const found = useQuery({
    queryKey: ["keys", "models"],
    queryFn: () => call(api.GET("/v1/models")),
    enabled: !may("read"),
    refetchInterval: ASK_AGAIN_MS,
  });
  return useMemo(
    () => found.data?.data.map(({ id, rbee }) => ({ id, ready: rbee?.state === "ready" })),
    [found.data],
  );
}

export function UseIt() {
  const models = useModels();
  const [wish, setWish] = useUrlState("model");
  const [tab, setTab] = useUrlState("for", "curl");
  const locked = useSession((s) => s.signedIn);
  const model = models.find(({ id }) => id === wish)?.id ?? models[0]?.id;
  const origin = window.location.origin;
  if (model === undefined) {
    return (
      <Card title="Use this colony">
        <Empty
          icon={<Package />}
          title="No model yet"
          text="The examples name one that this colony has: download one, or let a first request fetch it."
          action={
            may("read") ? (
              <Link to="/models" className={buttonClass()}>
                Go to the models
              </Link>
            ) : undefined
          }
        />
      </Card>
    );
  }
  const all = snippets({ origin, model, locked });
  return (
    <div className="grid gap-4 xl:grid-cols-[minmax(0,3fr)_minmax(0,2fr)]">
      <Card title="Use this colony" note="with this address and this model">
        <div className="flex flex-col gap-3">
          <div className="grid gap-3 sm:grid-cols-2">
            <Field label="Model">
              <Select
                value={model}
                onChange={setWish}
                options={models.map(({ id, ready }) => ({ value: id, label: ready ? `${id} · loaded` : id }))}
              />
            </Field>
            <div className="flex min-w-0 flex-col gap-1">
              <span className="text-xs font-medium text-muted">Address (OpenAI&apos;s “base URL”)</span>
              <span className="flex h-8 items-center rounded-md border bg-bg px-2.5">
                <Copyable text={`${origin}/v1`} />
              </span>
            </div>
          </div>
          {secure(origin) ? (
            <Notice
              tone="info"
              title="The certificate is the colony's own: programs must be told to trust it."
            >
              <CodeBlock label="How to fetch the CA" code={trustCommand(origin)} wrap />
            </Notice>
          ) : null}
          <Tabs
            label="Programs and languages"
            value={tab}
            onChange={setTab}
            tabs={all.map(({ id, title, note, code }) => ({
              value: id,
              label: title,
              panel: (
                <div className="flex flex-col gap-2">
                  <p className="text-xs text-muted">{note}</p>
                  <CodeBlock label={`${title} example`} code={code} />
                  {locked ? (
                    <p className="text-xs text-faint">
                      <code className="font-mono">RBEE_API_KEY</code> is a key with the scope “inference”:
                      make one for each program.
                    </p>
                  ) : null}
                </div>
              ),
            }))}
          />
        </div>
      </Card>
      <TryIt key={model} model={model} />
    </div>
  );
}
