/** Why there is no answer, or not all of it: the reason, the remedy, and what can be done at once. */
import { FastForward, RefreshCw } from "lucide-react";

import { Button, Notice } from "@/ui";

import type { Trouble, Turn } from "../core/types";
import { again, goOn } from "../live/talk";

export function TroubleCard({ trouble, pane, turn }: { trouble: Trouble; pane: number; turn: Turn }) {
  const partly = turn.text !== "";
  return (
    <Notice
      tone="bad"
      title={trouble.message}
      action={
        partly ? (
          <Button size="sm" icon={<FastForward />} onClick={() => goOn(pane, turn)}>
            Continue
          </Button>
        ) : (
          <Button size="sm" icon={<RefreshCw />} onClick={() => again(pane, turn)}>
            Try again
          </Button>
        )
      }
    >
      {trouble.remedy}
    </Notice>
  );
}
