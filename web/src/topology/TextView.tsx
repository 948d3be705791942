/** The same as a list: for those who read rather than look, and for finding a name. */
import { cn } from "@/ui";

import { queenRate, type Picture } from "./model";
import { hiveWords, workerWords, type Open } from "./Tree";

const LINK = "min-w-0 text-left hover:underline underline-offset-2";

export function TextView({ picture, open }: { picture: Picture; open: Open }) {
  return (
    <div className="max-h-[480px] overflow-auto">
      <p className="text-sm font-medium">
        The queen: {queenRate(picture)}, {picture.queen.running} running, {picture.queen.waiting} waiting
      </p>
      <ul className="mt-2 flex flex-col gap-2">
        {picture.hives.map((hive) => (
          <li key={hive.id} className={cn(hive.stale && "stale")}>
            <button type="button" className={cn(LINK, "text-sm")} onClick={() => open.hive(hive.id)}>
              {hiveWords(hive)}
            </button>
            <ul className="ml-4 mt-0.5 list-disc pl-3 text-xs text-muted">
              {hive.workers.map((worker) => (
                <li key={worker.id}>
                  <button type="button" className={LINK} onClick={() => open.worker(worker.id)}>
                    {workerWords(worker)}
                  </button>
                </li>
              ))}
            </ul>
          </li>
        ))}
      </ul>
    </div>
  );
}
