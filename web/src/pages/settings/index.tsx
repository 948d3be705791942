/**
 * Settings of the queen (and, to look at, of each hive): searched, changed, saved together.
 *
 * Nothing is sent while one types. The draft is saved as one PATCH, which the server carries out as a
 * whole or not at all; what it refuses is told at each setting. Another operator's change in the
 * meantime is told, never overwritten.
 */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { SearchX } from "lucide-react";
import { useState } from "react";

import { api, asProblem, call, type Problem, useSession } from "@/api";
import { toast, useShortcut, useUrlState } from "@/app";
import { useTable } from "@/state";
import {
  Button,
  Card,
  Empty,
  Loading,
  Notice,
  PageBody,
  PageHeader,
  SearchInput,
  Segmented,
  Select,
} from "@/ui";

import { About, ThisBrowser } from "./About";
import { changeOf, type Draft, edited, groupsOf, type SettingsState, type Shown } from "./draft";
import { RestartNotice } from "./RestartNotice";
import { SaveBar } from "./SaveBar";
import { SettingRow } from "./SettingRow";

const QUEEN = "";

export function Page() {
  const [filter, setFilter] = useUrlState("q");
  const [shown, setShown] = useUrlState("show", "all");
  const [of, setOf] = useUrlState("of", QUEEN);
  const operator = useSession((s) => s.operator);
  const hives = [...useTable("hives").keys()].sort();
  return (
    <PageBody>
      <PageHeader
        title="Settings"
        actions={
          operator ? (
            <>
              {hives.length > 0 ? (
                <Select
                  label="Whose settings"
                  className="sm:w-44"
                  value={of}
                  onChange={setOf}
                  options={[
                    { value: QUEEN, label: "The queen" },
                    ...hives.map((id) => ({ value: id, label: `Hive ${id}` })),
                  ]}
                />
              ) : null}
              <Segmented<Shown>
                label="Which settings"
                value={shown as Shown}
                onChange={setShown}
                options={[
                  { value: "all", label: "All" },
                  { value: "changed", label: "Set" },
                  { value: "waiting", label: "Waiting" },
                ]}
              />
              <SearchInput value={filter} onChange={setFilter} label="Filter settings" />
            </>
          ) : null
        }
      />
      {operator ? (
        <Settings key={of} of={of} filter={filter} shown={shown as Shown} />
      ) : (
        <Notice tone="info" title="Only operators see the settings.">
          Sign in with the colony&apos;s key, or with one that has the scope “operator”.
        </Notice>
      )}
      <div className="grid gap-4 lg:grid-cols-2">
        <ThisBrowser />
        <About />
      </div>
    </PageBody>
  );
}

function look(of: string): Promise<SettingsState> {
  if (of === QUEEN) return call(api.GET("/v1/settings"));
  return call(api.GET("/v1/hives/{hive_id}/settings", { params: { path: { hive_id: of } } }));
}

function Settings({ of, filter, shown }: { of: string; filter: string; shown: Shown }) {
  const queries = useQueryClient();
  const key = ["settings", of];
  const found = useQuery({ queryKey: key, queryFn: () => look(of) });
  const [draft, setDraft] = useState<Draft>({});
  const [errors, setErrors] = useState<Record<string, string>>({});
  const [saving, setSaving] = useState(false);
  // What the first change was made upon: an answer that comes later must not pass as looked at.
  const [revision, setRevision] = useState<string | null>(null);
  const state = found.data;
  const isDirty = Object.keys(draft).length > 0;
  const forget = (): void => {
    setDraft({});
    setErrors({});
    setRevision(null);
  };

  const save = async (): Promise<void> => {
    if (state === undefined || saving || !isDirty) return;
    setSaving(true);
    try {
      const body = changeOf(draft, revision ?? state.revision);
      const told = await call(api.PATCH("/v1/settings", { body }));
      queries.setQueryData(key, told.state);
      forget();
      toast.ok(
        told.restart.length === 0
          ? "Saved: it counts from now on."
          : `Saved. ${told.restart.join(", ")} will count after the queen's next start.`,
      );
    } catch (error) {
      const problem = asProblem(error);
      const refused = refusedIn(problem);
      setErrors(refused);
      const [first] = Object.keys(refused);
      if (first !== undefined) goTo(`setting-${first}`);
      const again =
        problem.code === "conflict"
          ? { label: "Look at them now", run: () => void found.refetch().then(() => setRevision(null)) }
          : undefined;
      toast.problem(problem, again);
    } finally {
      setSaving(false);
    }
  };
  useShortcut("mod+s", "Save the settings", () => void save());

  if (found.isPending) return <Loading text="Asking for the settings …" />;
  if (state === undefined) {
    const problem = asProblem(found.error);
    return (
      <Notice
        title={problem.message}
        action={<Button onClick={() => void found.refetch()}>Try again</Button>}
      >
        {problem.remedy}
      </Notice>
    );
  }
  const groups = groupsOf(state.settings, filter, shown);
  return (
    <>
      {state.problem !== null ? (
        <Notice title="config.toml cannot be read, so nothing can be saved.">{state.problem}</Notice>
      ) : null}
      {of === QUEEN ? null : (
        <p className="text-muted">
          What this hive runs with, told through the queen. It is changed on the hive&apos;s own machine.
        </p>
      )}
      <RestartNotice state={state} />
      {groups.length === 0 ? (
        <Empty
          icon={<SearchX />}
          title="No setting is left"
          text={filter ? "No name and no description holds these words." : "Nothing of this kind is set."}
        />
      ) : null}
      {groups.length > 1 ? (
        <nav aria-label="Groups of settings" className="-mt-1 flex flex-wrap gap-1.5">
          {groups.map(([group, settings]) => (
            <button
              key={group}
              type="button"
              className="rounded-md border bg-surface px-2 py-0.5 text-xs text-muted max-md:h-10 max-md:px-3 hover:border-line-strong hover:text-fg"
              onClick={() => goTo(groupId(group))}
            >
              {group} <span className="text-faint num">{settings.length}</span>
            </button>
          ))}
        </nav>
      ) : null}
      {groups.map(([group, settings]) => (
        <Card key={group} title={group} note={String(settings.length)} padded={false}>
          <ul id={groupId(group)} className="scroll-mt-14">
            {settings.map((setting) => (
              <SettingRow
                key={setting.name}
                setting={setting}
                edit={draft[setting.name]}
                error={errors[setting.name]}
                readOnly={of !== QUEEN}
                onEdit={(edit) => {
                  setRevision((old) => (isDirty && old !== null ? old : state.revision));
                  setDraft((old) => edited(old, setting, edit));
                  setErrors(({ [setting.name]: _gone, ...rest }) => rest);
                }}
                onUndo={() => {
                  setDraft(({ [setting.name]: _gone, ...rest }) => rest);
                  setErrors(({ [setting.name]: _gone, ...rest }) => rest);
                }}
              />
            ))}
          </ul>
        </Card>
      ))}
      <p className="text-xs text-faint">
        {of === QUEEN ? "They stand in " : "On its machine they stand in "}
        <code className="font-mono">{state.file}</code>. A flag of the command line comes before the
        environment, that before the file, that before the default.
      </p>
      <SaveBar draft={draft} saving={saving} onSave={save} onDiscard={forget} />
    </>
  );
}

function groupId(group: string): string {
  return `group-${group.replaceAll(/\W+/g, "-").toLowerCase()}`;
}

function goTo(id: string): void {
  document.getElementById(id)?.scrollIntoView({ block: id.startsWith("group") ? "start" : "center" });
}

function refusedIn(problem: Problem): Record<string, string> {
  const rows = Array.isArray(problem.data) ? (problem.data as { name: string; reason: string }[]) : [];
  return Object.fromEntries(rows.map((row) => [row.name, row.reason]));
}
