/** One hive in detail: what is wrong, its machine, its GPUs, engines, workers, models, and its way to the queen. */
import { Link } from "@tanstack/react-router";
import { Ban, CircleStop, Ellipsis, RefreshCw, ScrollText, Trash2 } from "lucide-react";
import { useState } from "react";

import { useRow, useTable, useTick, type HiveRow } from "@/state";
import {
  Badge,
  Button,
  buttonClass,
  cn,
  CopyButton,
  Empty,
  IconButton,
  Menu,
  Notice,
  Sheet,
  StatusDot,
  Words,
} from "@/ui";

import { forgetHive, lookAgain, mayOperate, revokeHive, stopHive } from "../actions";
import { useHiveState } from "../cells";
import type { Member } from "../members";
import type { Trouble } from "../troubles";
import { Engines } from "./Engines";
import { FactsOf } from "./FactsOf";
import { Gpus } from "./Gpus";
import { Machine } from "./Machine";
import { ModelsOf, WorkersOf } from "./Tenants";

export interface HiveSheetProps {
  /** Empty: closed. */
  hiveId: string;
  member: Member | undefined;
  onClose: () => void;
  onChanged: () => void;
}

export function HiveSheet({ hiveId, member, onClose, onChanged }: HiveSheetProps) {
  const hive = useRow("hives", hiveId);
  const known = useTable("hives").size > 0;
  return (
    <Sheet
      open={hiveId !== ""}
      onOpenChange={(open) => open || onClose()}
      title={hiveId}
      description={hive ? describe(hive) : "Not in the colony now"}
      actions={hive ? <Actions hive={hive} onChanged={onChanged} onGone={onClose} /> : undefined}
      wide
    >
      {hive ? (
        <Body hive={hive} member={member} />
      ) : (
        <Empty
          title={known ? `There is no hive ${hiveId} in the colony` : "Waiting for the queen's list of hives"}
          text={known ? "It was stopped, shut out, or never beat since the queen's start." : undefined}
          action={<Button onClick={onClose}>All hives</Button>}
        />
      )}
    </Sheet>
  );
}

function describe(hive: HiveRow): string {
  const where = hive.local
    ? "on the queen's own machine"
    : (hive.hostname ?? hive.address ?? "on another machine");
  return `${where}${hive.version ? ` · rbee ${hive.version}` : ""}`;
}

function Actions({ hive, onChanged, onGone }: { hive: HiveRow; onChanged: () => void; onGone: () => void }) {
  const [looking, setLooking] = useState(false);
  if (!mayOperate()) return null;
  const isUp = hive.state !== "down" && hive.state !== "gone";
  const look = async () => {
    setLooking(true);
    await lookAgain(hive.hive_id);
    setLooking(false);
  };
  const leave = async (done: Promise<boolean>) => {
    if (await done) {
      onChanged();
      onGone();
    }
  };
  return (
    <span className="flex items-center gap-1.5">
      <Link
        to="/events"
        search={{ tab: "logs", log: `hive:${hive.hive_id}` } as never}
        className={cn(buttonClass("secondary", "sm"), "max-sm:hidden")}
      >
        <ScrollText aria-hidden /> Log
      </Link>
      <Button
        size="sm"
        icon={<RefreshCw aria-hidden />}
        busy={looking && "Looking …"}
        disabled={!isUp}
        onClick={look}
      >
        Look again
      </Button>
      <Menu
        trigger={<IconButton label="More actions" icon={<Ellipsis />} size="sm" />}
        items={[
          {
            label: "Stop",
            icon: <CircleStop aria-hidden />,
            disabled: !isUp,
            onSelect: () => void stopHive(hive, false),
          },
          {
            label: "Stop, keep its workers",
            icon: <CircleStop aria-hidden />,
            disabled: !isUp || hive.workers === 0,
            onSelect: () => void stopHive(hive, true),
          },
          "separator",
          ...(hive.membership === "certificate"
            ? [
                {
                  label: "Revoke: shut it out",
                  icon: <Ban aria-hidden />,
                  danger: true,
                  onSelect: () => void leave(revokeHive(hive.hive_id)),
                },
              ]
            : []),
          {
            label: "Forget",
            icon: <Trash2 aria-hidden />,
            danger: true,
            disabled: isUp,
            onSelect: () => void leave(forgetHive(hive.hive_id)),
          },
        ]}
      />
    </span>
  );
}

function Body({ hive, member }: { hive: HiveRow; member: Member | undefined }) {
  useTick(); // troubles hold ages
  const state = useHiveState(hive);
  return (
    <div className="flex flex-col gap-5">
      <div className="flex flex-wrap items-center gap-2">
        <StatusDot state={state.word} tone={state.tone} className="font-medium" />
        {hive.local ? <Badge tone="accent">queen&rsquo;s machine</Badge> : null}
        {hive.outbound_only ? <Badge tone="info">outbound only</Badge> : null}
        {hive.membership === "certificate" ? <Badge>certificate</Badge> : null}
        {hive.membership === "open" && !hive.local ? <Badge tone="warn">no certificate</Badge> : null}
        {hive.labels.map((label) => (
          <Badge key={label}>{label}</Badge>
        ))}
      </div>
      {state.troubles.map((trouble) => (
        <TroubleNotice key={trouble.key} trouble={trouble} />
      ))}
      <Gpus hive={hive} />
      <Machine hive={hive} />
      <WorkersOf hiveId={hive.hive_id} />
      <ModelsOf hiveId={hive.hive_id} />
      <Engines hive={hive} />
      <FactsOf hive={hive} member={member} />
    </div>
  );
}

function TroubleNotice({ trouble }: { trouble: Trouble }) {
  return (
    <Notice tone={trouble.tone} title={trouble.title}>
      {trouble.reason ? (
        <p className="text-muted">
          <Words text={trouble.reason} />
        </p>
      ) : null}
      <p>
        <Words text={trouble.remedy} />
      </p>
      {trouble.command ? (
        <p className="mt-1 flex items-center gap-1">
          <code className="rounded-sm bg-surface px-1.5 py-0.5 font-mono text-xs">{trouble.command}</code>
          <CopyButton text={trouble.command} label="Copy the command" className="size-6" />
        </p>
      ) : null}
    </Notice>
  );
}
