/**
 * API & keys: how programs use this colony, and who may.
 *
 * A key's own text is in this page's memory only while the dialog that made it is open. The examples
 * name this very address and a model that is there, and can be tried at once.
 */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { useCallback, useMemo } from "react";

import { api, asProblem, call, useSession } from "@/api";
import { confirm, toast, useCommands, useShortcut, useUrlState } from "@/app";
import { Button, Card, Loading, Notice, PageBody, PageHeader, SearchInput, useNow } from "@/ui";

import { CreateKey } from "./CreateKey";
import { type ApiKey, KeyTable } from "./KeyTable";
import { UseIt } from "./UseIt";

const USAGE_EVERY_MS = 15_000; // what keys have used today is kept by the queen in memory anyway

export function Page() {
  const operator = useSession((s) => s.operator);
  return (
    <PageBody>
      {operator ? <Keys /> : <NoKeys />}
      <UseIt />
    </PageBody>
  );
}

/** For everybody else: the examples below are theirs too, keys are not. */
function NoKeys() {
  return (
    <>
      <PageHeader title="API & keys" />
      <Notice tone="info" title="Only operators see and make keys.">
        Sign in with the colony&rsquo;s key, or with one that has the scope “operator”.
      </Notice>
    </>
  );
}

function Keys() {
  const queries = useQueryClient();
  const [filter, setFilter] = useUrlState("q");
  const [dialog, setDialog] = useUrlState("new", "", { push: true });
  const now = useNow(60); // keys expire by the minute at most
  const signedIn = useSession((s) => s.signedIn);
  const found = useQuery({
    queryKey: ["keys"],
    queryFn: () => call(api.GET("/v1/keys")),
    refetchInterval: USAGE_EVERY_MS,
  });
  const create = useCallback(() => setDialog("1"), [setDialog]);
  useShortcut("n", "Make a key", create);
  useCommands(
    useMemo(() => [{ id: "key-create", title: "Make a key", keywords: "api token", run: create }], [create]),
  );

  const revoke = useCallback(
    (key: ApiKey) => {
      void (async () => {
        const sure = await confirm({
          title: `Revoke the key of ${key.name}?`,
          text: "It is refused from that moment on, and whoever signed in with it is signed out. This cannot be undone.",
          action: "Revoke the key",
          danger: true,
        });
        if (!sure) return;
        try {
          await call(api.DELETE("/v1/keys/{key}", { params: { path: { key: key.id } } }));
          toast.ok(`The key of ${key.name} is refused from now on.`);
        } catch (error) {
          toast.problem(error);
        }
        await queries.invalidateQueries({ queryKey: ["keys"] });
      })();
    },
    [queries],
  );

  const problem = found.error ? asProblem(found.error) : null;
  return (
    <>
      <PageHeader
        title="API & keys"
        actions={
          <>
            <SearchInput value={filter} onChange={setFilter} label="Filter keys" />
            <Button variant="primary" icon={<Plus />} onClick={create}>
              Make a key
            </Button>
          </>
        }
      />
      {signedIn ? null : (
        <Notice tone="info" title="No key is wanted on this machine.">
          Whoever runs programs here may use the colony. To let other machines in, end it with{" "}
          <code className="font-mono text-xs">rbee down</code> and start it with{" "}
          <code className="font-mono text-xs">rbee up -d --bind 0.0.0.0</code>: from then on each request
          needs a key.
        </Notice>
      )}
      {problem ? (
        <Notice
          title={problem.message}
          action={<Button onClick={() => void found.refetch()}>Try again</Button>}
        >
          {problem.remedy}
        </Notice>
      ) : null}
      <Card title="Keys" note={found.data ? String(found.data.keys.length) : undefined} padded={false}>
        {found.isPending ? (
          <Loading text="Asking for the keys …" />
        ) : (
          <KeyTable
            keys={found.data?.keys ?? []}
            filter={filter}
            now={now}
            onRevoke={revoke}
            onCreate={create}
          />
        )}
      </Card>
      {dialog === "" ? null : <CreateKey onClose={() => setDialog("")} />}
    </>
  );
}
