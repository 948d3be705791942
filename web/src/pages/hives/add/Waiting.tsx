/** On top of the page: machines that wait to be let in. A person stands there and waits too. */
import { useTable } from "@/state";

import { JoinRequest } from "./JoinRequest";

export function Waiting() {
  const joins = useTable("joins");
  if (joins.size === 0) return null;
  const rows = [...joins.values()].sort((a, b) => a.asked_at - b.asked_at);
  return (
    <section
      aria-label="Machines that wait for your approval"
      className="flex flex-col gap-3 rounded-xl border border-accent bg-accent-soft p-3.5"
    >
      <p className="font-medium text-accent-text" role="status">
        {rows.length === 1 ? "A machine wants to join." : `${rows.length} machines want to join.`}{" "}
        <span className="font-normal text-fg">
          Approve only where the code is the one that the machine itself shows.
        </span>
      </p>
      {rows.map((row) => (
        <JoinRequest key={row.code} row={row} />
      ))}
    </section>
  );
}
