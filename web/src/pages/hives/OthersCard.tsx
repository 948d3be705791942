/** Who is in the books and not in the colony: shut out, or joined and not heard of since the queen's start. */
import { Trash2 } from "lucide-react";

import { useTable } from "@/state";
import { Badge, Button, Card, Time } from "@/ui";

import { forgetHive } from "./actions";
import type { Member } from "./members";

export function OthersCard({
  members,
  onChanged,
}: {
  members: readonly Member[] | null;
  onChanged: () => void;
}) {
  const hives = useTable("hives");
  const others = (members ?? []).filter((member) => !hives.has(member.hive_id));
  if (others.length === 0) return null;
  return (
    <Card title="Not in the colony now" note="they have joined once" padded={false}>
      <ul className="divide-y">
        {others.map((member) => (
          <li key={member.hive_id} className="flex flex-wrap items-center gap-x-3 gap-y-1 px-3.5 py-2">
            <span className="min-w-32 font-medium">{member.hive_id}</span>
            {member.revoked_at === null ? (
              <Badge tone="warn">a member, silent</Badge>
            ) : (
              <Badge tone="bad">
                shut out <Time at={member.revoked_at} />
              </Badge>
            )}
            <span className="text-xs text-muted">
              {member.revoked_at === null
                ? "Start it there: rbee hive start"
                : "It can join again with a new token."}
            </span>
            <Button
              size="sm"
              variant="ghost"
              className="ml-auto"
              icon={<Trash2 aria-hidden />}
              onClick={async () => {
                if (await forgetHive(member.hive_id)) onChanged();
              }}
            >
              Forget
            </Button>
          </li>
        ))}
      </ul>
    </Card>
  );
}
