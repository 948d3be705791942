/**
 * The wizard: three ways in which a machine becomes a hive, and the wait until it is one.
 *
 * Which way is open lives in the URL (`add`), so that a notice or the palette can lead to it.
 */
import { Radar, TerminalSquare, UserCheck } from "lucide-react";
import { ToggleGroup } from "radix-ui";
import { useState, type ReactNode } from "react";

import { useTable } from "@/state";
import { Badge, cn, Dialog } from "@/ui";

import { ApproveWay } from "./ApproveWay";
import { SshWay } from "./SshWay";
import { TokenWay, type MadeLine } from "./TokenWay";

export type Way = "" | "token" | "approve" | "ssh";

const WAYS: readonly { way: Way; name: string; what: string; icon: ReactNode }[] = [
  {
    way: "token",
    name: "Paste one line",
    what: "On the machine itself. Works anywhere.",
    icon: <TerminalSquare aria-hidden />,
  },
  {
    way: "approve",
    name: "Approve it",
    what: "It asks by itself, you compare a code.",
    icon: <UserCheck aria-hidden />,
  },
  { way: "ssh", name: "Over SSH", what: "The queen installs it for you.", icon: <Radar aria-hidden /> },
];

export function AddHive({ way, onWay }: { way: Way; onWay: (way: Way) => void }) {
  const joins = useTable("joins");
  // A line that was made stays while one looks at the other ways.
  const [line, setLine] = useState<MadeLine | null>(null);
  const close = () => {
    setLine(null);
    onWay("");
  };
  return (
    <Dialog
      open={way !== ""}
      onOpenChange={(open) => open || close()}
      title="Add a hive"
      description="A machine with a GPU, or just a CPU, that runs models for this colony."
      wide
    >
      <div className="flex flex-col gap-5 sm:flex-row">
        <ToggleGroup.Root
          type="single"
          value={way}
          onValueChange={(next) => next && onWay(next as Way)}
          aria-label="How to add it"
          className="flex shrink-0 gap-1.5 overflow-x-auto sm:w-56 sm:flex-col"
        >
          {WAYS.map((each) => (
            <ToggleGroup.Item
              key={each.way}
              value={each.way}
              className={cn(
                "flex items-start gap-2.5 rounded-lg border px-3 py-2.5 text-left transition-colors hover:bg-hover max-sm:flex-1 max-sm:flex-col max-sm:items-center max-sm:gap-1 max-sm:text-center",
                "data-[state=on]:border-accent data-[state=on]:bg-accent-soft [&_svg]:size-4 [&_svg]:shrink-0 sm:[&_svg]:mt-0.5",
              )}
            >
              {each.icon}
              <span className="min-w-0">
                <span className="flex items-center gap-1.5 text-sm font-medium max-sm:text-xs">
                  {each.name}
                  {each.way === "approve" && joins.size > 0 ? (
                    <Badge tone="accent">{joins.size}</Badge>
                  ) : null}
                </span>
                <span className="block text-xs text-muted max-sm:hidden">{each.what}</span>
              </span>
            </ToggleGroup.Item>
          ))}
        </ToggleGroup.Root>
        <div className="min-h-80 min-w-0 flex-1">
          {way === "token" ? <TokenWay line={line} onLine={setLine} onDone={close} /> : null}
          {way === "approve" ? <ApproveWay onDone={close} /> : null}
          {way === "ssh" ? <SshWay onDone={close} /> : null}
        </div>
      </div>
    </Dialog>
  );
}
