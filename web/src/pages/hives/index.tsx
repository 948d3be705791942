/**
 * The machines of the colony: who is there, how they are, who wants in; and the way to add one.
 *
 * What is open lives in the URL: `hive` the detail, `add` the wizard, `q`, `show` and `group` the list.
 */
import { Link } from "@tanstack/react-router";
import { Hexagon, Plus } from "lucide-react";
import { useMemo } from "react";

import { useShortcut, useUrlState, useCommands } from "@/app";
import { useColony, useKnown, useTable } from "@/state";
import { Topology } from "@/topology";
import {
  Button,
  buttonClass,
  Card,
  Empty,
  format,
  Loading,
  PageBody,
  PageHeader,
  SearchInput,
  Segmented,
  Select,
} from "@/ui";

import { mayOperate } from "./actions";
import { AddHive, type Way } from "./add/AddHive";
import { Waiting } from "./add/Waiting";
import { HiveSheet } from "./detail/HiveSheet";
import type { Grouping, Shown } from "./groups";
import { HiveList } from "./HiveList";
import { useMembers } from "./members";
import { OthersCard } from "./OthersCard";

const WAYS: readonly Way[] = ["token", "approve", "ssh"];

/** So few leave room for the picture under the list. */
const FEW = 4;

export function Page() {
  const hives = useTable("hives");
  const [query, setQuery] = useUrlState("q");
  const [shown, setShown] = useUrlState("show", "all");
  const [group, setGroup] = useUrlState("group");
  const [view, setView] = useUrlState("view", "list");
  const [open, setOpen] = useUrlState("hive", "", { push: true });
  const [add, setAdd] = useUrlState("add", "", { push: true });
  const { members, reload } = useMembers();
  const operator = mayOperate();
  useShortcut("n", "Add a hive", () => setAdd("token"), { enabled: operator });
  useCommands(
    useMemo(
      () =>
        operator
          ? [
              {
                id: "hives.add",
                title: "Add a hive",
                keywords: "join token machine approve ssh",
                keys: "n",
                run: () => setAdd("token"),
              },
            ]
          : [],
      [operator, setAdd],
    ),
  );
  const isFirst = !useKnown();
  return (
    <PageBody>
      <PageHeader
        title="Hives"
        note={<Counts />}
        actions={
          <>
            {hives.size > 1 ? <SearchInput label="Filter hives" value={query} onChange={setQuery} /> : null}
            <Button
              variant="primary"
              icon={<Plus aria-hidden />}
              onClick={() => setAdd("token")}
              disabled={!operator}
              title={operator ? undefined : "Only operators add hives"}
            >
              Add a hive
            </Button>
          </>
        }
      />
      {operator ? <Waiting /> : null}
      {isFirst ? (
        <Loading text="Asking the queen for her hives …" />
      ) : hives.size === 0 ? (
        <NoHives operator={operator} />
      ) : (
        <>
          {hives.size > 1 ? (
            <div className="flex flex-wrap items-center gap-2">
              <Segmented
                label="How to show them"
                value={view}
                onChange={setView}
                options={[
                  { value: "list", label: "List" },
                  { value: "map", label: "Map" },
                ]}
              />
              <Segmented<Shown>
                label="Which to show"
                value={shown as Shown}
                onChange={setShown}
                options={[
                  { value: "all", label: "All" },
                  { value: "trouble", label: "Trouble" },
                  { value: "gpu", label: "With GPUs" },
                  { value: "idle", label: "Without workers" },
                ]}
                className={view === "map" ? "hidden" : "max-sm:order-last"}
              />
              {view === "map" ? null : (
                <Select
                  label="Group by"
                  value={group}
                  onChange={setGroup}
                  options={[
                    { value: "", label: "Not grouped" },
                    { value: "label", label: "Group by label" },
                    { value: "device", label: "Group by GPUs" },
                    { value: "state", label: "Group by state" },
                  ]}
                  className="w-40 shrink-0 max-sm:ml-auto"
                />
              )}
            </div>
          ) : null}
          {view === "map" ? (
            <Card>
              <Topology heightMax={620} />
            </Card>
          ) : (
            <HiveList
              query={query}
              shown={shown as Shown}
              group={group as Grouping}
              open={open}
              onOpen={setOpen}
              onClear={() => {
                setQuery("");
                setShown("all");
              }}
            />
          )}
          {hives.size <= FEW && view !== "map" ? (
            <Card title="The colony">
              <Topology />
            </Card>
          ) : null}
          {hives.size === 1 && operator ? <OnlyOne /> : null}
        </>
      )}
      {operator ? <OthersCard members={members} onChanged={reload} /> : null}
      <HiveSheet
        hiveId={open}
        member={members?.find((each) => each.hive_id === open)}
        onClose={() => setOpen("")}
        onChanged={reload}
      />
      <AddHive way={operator ? (WAYS.find((way) => way === add) ?? (add && "token")) : ""} onWay={setAdd} />
    </PageBody>
  );
}

function Counts() {
  const hives = useTable("hives");
  const colony = useColony();
  if (hives.size === 0) return null;
  const down = [...hives.values()].filter((hive) => hive.state !== "fresh").length;
  return (
    <>
      {format.plural(hives.size, "hive")}
      {colony?.gpus ? ` · ${format.plural(colony.gpus, "GPU")}` : ""}
      {down > 0 ? <span className="text-bad"> · {down} not up</span> : null}
    </>
  );
}

function NoHives({ operator }: { operator: boolean }) {
  return (
    <Card>
      <Empty
        icon={<Hexagon />}
        title="No hive yet"
        text={
          <>
            A hive is a machine that runs models for the colony. This machine becomes one with{" "}
            <code className="font-mono text-xs">rbee hive start</code>; others join with one line.
          </>
        }
        action={
          operator ? (
            <>
              <Link to="/hives" search={{ add: "token" } as never} className={buttonClass("primary")}>
                <Plus aria-hidden /> Add a hive
              </Link>
              <Link to="/hives" search={{ add: "approve" } as never} className={buttonClass()}>
                Who wants in?
              </Link>
            </>
          ) : null
        }
      />
    </Card>
  );
}

/** With one machine the list is short: say what a second one is good for. */
function OnlyOne() {
  return (
    <p className="px-1 text-xs text-faint">
      A second machine doubles what fits:{" "}
      <Link
        to="/hives"
        search={{ add: "token" } as never}
        className="text-accent-text underline underline-offset-2"
      >
        add a hive
      </Link>{" "}
      with one line, wherever it stands: behind a router too, it needs no open port.
    </p>
  );
}
