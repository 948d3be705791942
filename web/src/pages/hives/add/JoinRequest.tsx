/** A machine that wants in: its code in large type, to be compared with what that machine shows. */
import { Check, X } from "lucide-react";
import { useState } from "react";

import type { JoinRow } from "@/state";
import { Button, format, Notice, Time } from "@/ui";

import { decide } from "../actions";

export function JoinRequest({ row, onApproved }: { row: JoinRow; onApproved?: (hiveId: string) => void }) {
  const [busy, setBusy] = useState<"" | "approve" | "reject">("");
  const act = async (verb: "approve" | "reject") => {
    setBusy(verb);
    const went = await decide(row.code, row.hive_id, verb);
    if (went && verb === "approve") onApproved?.(row.hive_id);
    setBusy("");
  };
  return (
    <article
      aria-label={`${row.hive_id} wants to join`}
      className="flex flex-col gap-3 rounded-lg border bg-surface p-3.5"
    >
      <header className="flex flex-wrap items-baseline gap-x-3 gap-y-0.5">
        <h4 className="text-base font-semibold">{row.hive_id}</h4>
        <span className="text-xs text-muted num">
          {row.address}
          {row.hostname && row.hostname !== row.hive_id ? ` · ${row.hostname}` : ""} · rbee{" "}
          {format.text(row.version)}
        </span>
        <span className="ml-auto text-xs text-faint">
          waits for <Time at={row.asked_at} mode="since" />
        </span>
      </header>
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <PairingCode code={row.code} />
        <div className="ml-auto flex flex-wrap justify-end gap-2 max-sm:w-full max-sm:[&>button]:flex-1">
          <Button
            variant="danger"
            icon={<X aria-hidden />}
            busy={busy === "reject" && "Rejecting …"}
            disabled={busy !== ""}
            onClick={() => act("reject")}
          >
            Reject
          </Button>
          <Button
            variant="primary"
            icon={<Check aria-hidden />}
            busy={busy === "approve" && "Approving …"}
            disabled={busy !== ""}
            onClick={() => act("approve")}
          >
            Codes are the same: approve
          </Button>
        </div>
      </div>
      {row.replaces ? (
        <Notice tone="warn" title={`A hive named ${row.hive_id} is a member already`}>
          Approving this one shuts that one out. Is it the same machine, set up anew?
        </Notice>
      ) : null}
    </article>
  );
}

/** The code by its groups, large enough to be read out over a room. */
export function PairingCode({ code }: { code: string }) {
  return (
    <code
      aria-label={`Code ${code}`}
      className="flex flex-wrap gap-x-2.5 gap-y-1 font-mono text-xl font-semibold tracking-wider"
    >
      {code.split("-").map((part, at) => (
        <span key={at} aria-hidden>
          {part}
        </span>
      ))}
    </code>
  );
}
