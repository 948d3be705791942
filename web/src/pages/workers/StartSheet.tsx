/** The drawer in which a worker is started; it opens by `/workers?start=MODEL` (or `start=new`). */
import { useCallback, useEffect, useState } from "react";

import { useSession } from "@/api";
import { Button, Sheet } from "@/ui";
import type { PlanOption } from "../models/fit/usePlan";
import { cancelStart, forgetStart, startWorker, useStart, watchStart } from "./start";
import { StartForm } from "./StartForm";
import { StartProgress } from "./StartProgress";
import type { Wish } from "./wish";

export const NO_WISH: Wish = {
  model: "",
  hive: "",
  device: "",
  engine: "",
  context: "",
  slots: "",
  gpuLayers: "",
};

export interface StartSheetProps {
  open: boolean;
  /** What the form begins with. */
  first: Wish;
  onClose: () => void;
  onLogs: (workerId: string) => void;
}

export function StartSheet({ open, first, onClose, onLogs }: StartSheetProps) {
  const current = useStart((state) => state.current);
  const operator = useSession((session) => session.operator);
  const [wish, setWish] = useState(first);
  const [target, setTarget] = useState<PlanOption>();
  useEffect(() => {
    watchStart(true);
    return () => watchStart(false);
  }, []);
  const onPlan = useCallback((found: PlanOption | undefined) => setTarget(found), []);
  const hive = wish.hive || target?.hive_id || "";
  const why = reasonAgainst(operator, wish, hive);
  const running = current !== null && current.phase !== "ready" && current.phase !== "failed";

  const form = (
    <form
      id="start-worker"
      onSubmit={(event) => {
        event.preventDefault();
        if (why === null) void startWorker({ ...wish, hive }, target?.load_s ?? null);
      }}
    >
      <StartForm wish={wish} onWish={setWish} onPlan={onPlan} />
    </form>
  );
  return (
    <Sheet
      open={open}
      onOpenChange={(stay) => !stay && onClose()}
      title="Start a worker"
      description={running ? "It goes on when you close this." : "One model in one process, on one hive."}
      footer={
        current === null ? (
          <>
            <Button onClick={onClose}>Cancel</Button>
            <Button
              type="submit"
              form="start-worker"
              variant="primary"
              disabled={why !== null}
              title={why ?? undefined}
            >
              Start{hive ? ` on ${hive}` : ""}
            </Button>
          </>
        ) : running ? (
          <Button variant="danger" onClick={() => void cancelStart()}>
            Call it off
          </Button>
        ) : (
          <>
            <Button onClick={forgetStart}>
              {current.phase === "failed" ? "Change and try again" : "Start another"}
            </Button>
            <Button variant="primary" onClick={() => (onClose(), forgetStart())}>
              Done
            </Button>
          </>
        )
      }
    >
      {current === null ? form : <StartProgress start={current} onLogs={onLogs} />}
    </Sheet>
  );
}

function reasonAgainst(operator: boolean, wish: Wish, hive: string): string | null {
  if (!operator) return "Only operators start workers: sign in with an operator's key.";
  if (wish.model.trim() === "") return "Name a model first.";
  return hive === "" ? "No hive can take it now: see the plan." : null;
}
