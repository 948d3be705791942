/** Machines that ask by themselves: found on the network, or told the queen's address. */
import { useEffect, useState } from "react";

import { api, call } from "@/api";

import { useTable } from "@/state";
import { CodeBlock, Loading, Notice, Words } from "@/ui";

import { Joined } from "./Joined";
import { JoinRequest } from "./JoinRequest";
import { Steps } from "./Steps";

export function ApproveWay({ onDone }: { onDone: () => void }) {
  const queenUrl = useQueenUrl();
  const joins = useTable("joins");
  const hives = useTable("hives");
  const [approved, setApproved] = useState<string | null>(null);
  const rows = [...joins.values()].sort((a, b) => a.asked_at - b.asked_at);
  const hive = approved === null ? undefined : hives.get(approved);
  if (hive?.state === "fresh" && rows.length === 0)
    return <Joined hive={hive} onAnother={() => setApproved(null)} onDone={onDone} />;
  return (
    <div className="flex flex-col gap-4">
      <p className="text-muted">
        In this network a new hive finds the queen by itself:{" "}
        <code className="font-mono text-xs">rbee hive start</code>. From elsewhere, name her. Either way it
        shows a code and waits for you.
      </p>
      <CodeBlock code={`rbee hive join ${queenUrl}`} label="Line for the new machine" wrap />
      {rows.map((row) => (
        <JoinRequest key={row.code} row={row} onApproved={setApproved} />
      ))}
      {approved !== null ? (
        <Steps
          label="What happens"
          steps={[
            { state: "done", title: `${approved} is approved` },
            {
              state: "now",
              title: "It fetches its certificate and sends its first beat",
              note: <Words text="Within a few seconds. If nothing comes: `rbee hive start` there." />,
            },
          ]}
        />
      ) : rows.length === 0 ? (
        <Loading text="Waiting for a machine to ask …" className="py-6" />
      ) : null}
      {rows.length > 1 && new Set(rows.map((row) => row.hive_id)).size < rows.length ? (
        <Notice tone="warn" title="Two machines use the same name">
          Their codes tell them apart: approve the one whose code you see on your machine.
        </Notice>
      ) : null}
    </div>
  );
}

/** Her address for others, as she knows it herself; else where this page came from, unless that is loopback. */
function useQueenUrl(): string {
  const [known, setKnown] = useState<string | null>(null);
  useEffect(() => {
    let over = false;
    call(api.GET("/v1/join-requests"))
      .then((found) => over || setKnown(found.urls[0] ?? null))
      // The line still says what to fill in.
      .catch(() => over || setKnown(null));
    return () => {
      over = true;
    };
  }, []);
  if (known !== null) return known;
  const { hostname, port } = window.location;
  const isHere = ["localhost", "127.0.0.1", "[::1]"].includes(hostname);
  return `https://${isHere ? "QUEENS-ADDRESS" : hostname}:${port || "443"}`;
}
