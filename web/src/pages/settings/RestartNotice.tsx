/** Which settings wait for a new start, and how to start anew. */
import { CodeBlock, format, Notice } from "@/ui";

import type { SettingsState } from "./draft";

export function RestartNotice({ state }: { state: SettingsState }) {
  if (state.restart.length === 0) return null;
  const room = state.room;
  return (
    <Notice
      tone="warn"
      title={`${format.plural(state.restart.length, "setting")} will count after the ${room}'s next start: ${state.restart.join(", ")}`}
    >
      <p className="my-1">
        {room === "queen"
          ? "Running answers get ten seconds to end; jobs go on when she is back, and so does this page. Where a unit or a container runs her, restart that."
          : "Its workers stay, if it is told so."}
      </p>
      <CodeBlock
        label="Commands"
        code={
          room === "queen"
            ? "rbee queen stop && rbee queen start"
            : "rbee hive stop --keep-workers && rbee hive start"
        }
      />
    </Notice>
  );
}
