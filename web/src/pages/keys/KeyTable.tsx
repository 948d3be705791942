/** All keys: whose they are, what they may do, what they used; and how to end one. */
import { KeyRound, Plus, Trash2 } from "lucide-react";
import { useMemo } from "react";

import type { components } from "@/api/schema";
import { Badge, Button, type Column, dateOf, Empty, format, IconButton, Meter, Table, Time } from "@/ui";

export type ApiKey = components["schemas"]["ApiKey"];

interface KeyTableProps {
  keys: readonly ApiKey[];
  filter: string;
  now: number;
  onRevoke: (key: ApiKey) => void;
  onCreate: () => void;
}

export function KeyTable({ keys, filter, now, onRevoke, onCreate }: KeyTableProps) {
  const columns = useMemo(() => columnsAt(now, onRevoke), [now, onRevoke]);
  return (
    <Table
      label="Keys"
      rows={keys}
      columns={columns}
      rowId={(key) => key.id}
      filter={filter}
      defaultSort={{ id: "name", desc: false }}
      rowClass={(key) => (key.expired ? "stale" : undefined)}
      empty={
        filter === "" ? (
          <Empty
            icon={<KeyRound />}
            title="No keys yet"
            text="Make one for each client or program: each can be limited, watched and revoked alone."
            action={
              <Button variant="primary" icon={<Plus />} onClick={onCreate}>
                Make a key
              </Button>
            }
          />
        ) : (
          <Empty title="No key holds these words" />
        )
      }
    />
  );
}

function columnsAt(now: number, onRevoke: (key: ApiKey) => void): Column<ApiKey>[] {
  return [
    {
      id: "name",
      header: "Name",
      card: "title",
      width: "minmax(130px,1.4fr)",
      sort: (key) => key.name,
      text: (key) => `${key.name} ${key.id} ${key.hint}`,
      cell: (key) => <span className="truncate font-medium">{key.name}</span>,
    },
    {
      id: "hint",
      header: "Key",
      width: "minmax(110px,1fr)",
      cell: (key) =>
        key.configured ? (
          <Badge tone="info" title="It stands in config.toml and is changed there.">
            config.toml
          </Badge>
        ) : (
          <code className="font-mono text-xs text-muted" title={key.id}>
            {key.hint}…
          </code>
        ),
    },
    {
      id: "scopes",
      header: "May",
      width: "minmax(130px,1.3fr)",
      sort: (key) => key.scopes.join(" "),
      cell: (key) => (
        <span className="flex flex-wrap gap-1">
          {key.scopes.map((scope) => (
            <Badge key={scope} tone={scope === "operator" ? "accent" : "neutral"}>
              {scope}
            </Badge>
          ))}
        </span>
      ),
    },
    {
      id: "models",
      header: "Models",
      width: "minmax(90px,1fr)",
      sort: (key) => key.models.join(" "),
      cell: (key) => (
        <span className="truncate" title={key.models.join(", ")}>
          {key.models.join(", ") || "all"}
        </span>
      ),
    },
    {
      id: "use",
      header: "Tokens today",
      width: "minmax(120px,1.2fr)",
      hideBelow: "lg",
      sort: (key) => key.tokens_today,
      cell: (key) =>
        key.tokens_per_day === null ? (
          <span className="text-faint" title="Tokens are counted for keys with a quota a day.">
            {format.UNKNOWN}
          </span>
        ) : (
          <Meter
            used={key.tokens_today}
            total={key.tokens_per_day}
            label={`Tokens of ${key.name} today`}
            text={`${format.short(key.tokens_today)} / ${format.short(key.tokens_per_day)}`}
          />
        ),
    },
    {
      id: "limits",
      header: "A minute",
      width: "minmax(110px,1fr)",
      hideBelow: "xl",
      cell: (key) => <span className="truncate num">{limits(key) || "no limit"}</span>,
    },
    {
      id: "expires",
      header: "Expires",
      width: "minmax(90px,0.8fr)",
      sort: (key) => key.expires_at,
      cell: (key) => <Expires apiKey={key} now={now} />,
    },
    {
      id: "created",
      header: "Made",
      width: "minmax(110px,0.9fr)",
      hideBelow: "xl",
      sort: (key) => key.created_at,
      cell: (key) => (
        <span className="truncate" title={key.created_by === null ? undefined : `by ${key.created_by}`}>
          <Time at={key.created_at} />
        </span>
      ),
    },
    {
      id: "revoke",
      header: "Revoke",
      quietHeader: true,
      card: "corner",
      width: "40px",
      align: "right",
      cell: (key) =>
        key.configured ? null : (
          <IconButton
            label={`Revoke ${key.name}`}
            icon={<Trash2 />}
            size="sm"
            onClick={(event) => {
              event.stopPropagation();
              onRevoke(key);
            }}
          />
        ),
    },
  ];
}

function Expires({ apiKey, now }: { apiKey: ApiKey; now: number }) {
  if (apiKey.expired) return <Badge tone="bad">expired</Badge>;
  if (apiKey.expires_at === null) return <span className="text-muted">never</span>;
  const leftS = apiKey.expires_at - now;
  const soon = leftS < 3 * 86_400;
  return (
    <span className={soon ? "text-warn num" : "num"} title={dateOf(apiKey.expires_at)}>
      in {format.duration(Math.max(60, leftS))}
    </span>
  );
}

function limits(key: ApiKey): string {
  return [
    key.requests_per_min === null ? "" : `${format.short(key.requests_per_min)} req`,
    key.tokens_per_min === null ? "" : `${format.short(key.tokens_per_min)} tok`,
  ]
    .filter(Boolean)
    .join(" · ");
}
