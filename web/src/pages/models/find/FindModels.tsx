/** Find models on the hub: words in, repositories out, each file with whether it fits, before a byte is fetched. */
import { Search } from "lucide-react";
import { useMemo } from "react";

import { useSession } from "@/api";
import { useUrlState } from "@/app";
import type { HiveRow } from "@/state";
import { Card, Empty, Field, Loading, Notice, SearchInput, Select } from "@/ui";
import { Repository } from "./Repository";
import { useSearch } from "./useSearch";

export function FindModels({ hives }: { hives: readonly HiveRow[] }) {
  const operator = useSession((session) => session.operator);
  const [words, setWords] = useUrlState("find");
  const [wished, setWished] = useUrlState("on");
  const live = useMemo(() => hives.filter((hive) => hive.state === "fresh"), [hives]);
  const hive = live.find((one) => one.hive_id === wished)?.hive_id ?? preferred(live);
  const found = useSearch(words, operator ? hive : "");
  if (!operator)
    return (
      <Notice tone="warn" title="Only operators search the hub">
        Sign in with an operator's key.
      </Notice>
    );
  if (hive === "")
    return (
      <Card>
        <Empty
          icon={<Search />}
          title="No hive answers"
          text="A hive searches the hub and fetches models. Add one, or start one, first."
        />
      </Card>
    );
  return (
    <div className="flex flex-col gap-3">
      <div className="flex flex-wrap items-end gap-3">
        <Field label="Look for" className="min-w-0 flex-1 basis-72">
          <SearchInput
            value={words}
            onChange={setWords}
            label="A model's name: llama 8b, qwen coder"
            className="sm:w-full"
          />
        </Field>
        <Field label="Judged for, and fetched to" className="w-56 max-sm:w-full">
          <Select
            value={hive}
            onChange={setWished}
            options={live.map((one) => ({ value: one.hive_id, label: one.hive_id }))}
          />
        </Field>
      </div>
      <Results found={found} hive={hive} />
    </div>
  );
}

/** The hive to judge for where nobody chose: the one with the most GPUs, since most ask for that. */
function preferred(hives: readonly HiveRow[]): string {
  const gpus = (hive: HiveRow) => hive.devices.filter((device) => device.device_type !== "cpu").length;
  const best = [...hives].sort((a, b) => gpus(b) - gpus(a) || a.hive_id.localeCompare(b.hive_id))[0];
  return best?.hive_id ?? "";
}

function Results({ found, hive }: { found: ReturnType<typeof useSearch>; hive: string }) {
  const { models, problem, asking, query } = found;
  if (problem) return <Notice title={problem.message}>{problem.remedy}</Notice>;
  if (query === "")
    return (
      <Card>
        <Empty
          icon={<Search />}
          title="Find a model"
          text={`Type a few words. ${hive} asks the hub, reads the header of what it finds, and says which files fit its devices, before anything is downloaded.`}
        />
      </Card>
    );
  if (!models) return <Loading text={`${hive} asks the hub for “${query}” …`} />;
  if (models.length === 0)
    return (
      <Card>
        <Empty
          icon={<Search />}
          title={`Nothing on the hub is called “${query}”`}
          text="Fewer or other words find more; only repositories with GGUF files are shown."
        />
      </Card>
    );
  return (
    <div className={asking ? "flex flex-col gap-2 opacity-60" : "flex flex-col gap-2"} aria-busy={asking}>
      {models.map((model, at) => (
        <Repository key={model.id} model={model} hive={hive} first={at === 0} />
      ))}
    </div>
  );
}
