/** Above the page: that the queen is lost, how old what is shown is; that she is another one; that she lets nobody look. */
import { CloudOff, EyeOff, RefreshCw } from "lucide-react";
import { useState, type ReactNode } from "react";

import { reconnectNow, useConnection, useNewVersion } from "@/state";
import { Button, cn, format } from "@/ui";

/** What stands above the page for all of it; `aside` changes often and is not read out. */
function Banner({
  name,
  tone,
  icon,
  title,
  aside,
  action,
}: {
  name: string;
  tone: "warn" | "info";
  icon: ReactNode;
  title: string;
  aside: ReactNode;
  action?: ReactNode;
}) {
  return (
    <div
      data-banner={name}
      className={cn(
        "flex min-h-10 shrink-0 flex-wrap items-center gap-x-3 gap-y-1 border-b px-4 py-1.5 [&_svg]:size-4 [&_svg]:shrink-0",
        tone === "warn" ? "bg-warn-soft text-warn" : "bg-info-soft text-info",
      )}
    >
      {icon}
      <p className="min-w-0 flex-1">
        <span role="status" className="font-medium">
          {title}{" "}
        </span>
        <span className="text-fg">{aside}</span>
      </p>
      {action}
    </div>
  );
}

export function ConnectionBanner() {
  const { state, ageS, reason } = useConnection();
  if (state === "signed_out" && reason !== null)
    return (
      <Banner
        name="forbidden"
        tone="warn"
        icon={<EyeOff aria-hidden />}
        title={reason}
        aside="The chat and the API work with it; for the rest sign in with a key that has the scope “read”."
      />
    );
  if (state !== "lost") return null;
  return (
    <Banner
      name="connection"
      tone="warn"
      icon={<CloudOff aria-hidden />}
      title="The queen does not answer."
      aside={
        <>
          {ageS === null ? "Nothing was heard from her yet" : `What you see is ${format.duration(ageS)} old`}
          {reason ? ` (${reason.replace(/\.$/, "")})` : ""}; the console reconnects by itself.
        </>
      }
      action={
        <Button size="sm" onClick={reconnectNow}>
          Try now
        </Button>
      }
    />
  );
}

/** The queen was replaced under the open page: what it asks for may be called otherwise by now. */
export function VersionBanner() {
  const version = useNewVersion();
  const [later, setLater] = useState<string | null>(null);
  if (version === null || version === later) return null;
  return (
    <Banner
      name="version"
      tone="info"
      icon={<RefreshCw aria-hidden />}
      title={`The queen is rbee ${version} now.`}
      aside="This page is of another version: load it anew, so that both fit together."
      action={
        <>
          <Button size="sm" variant="primary" onClick={() => location.reload()}>
            Load the console anew
          </Button>
          <Button size="sm" variant="ghost" onClick={() => setLater(version)}>
            Later
          </Button>
        </>
      }
    />
  );
}

const WORDS = { live: "Live", connecting: "Connecting …", lost: "Lost", signed_out: "Not looking" };

/** The connection as a dot with words, for the foot of the navigation. */
export function ConnectionDot({ slim = false }: { slim?: boolean }) {
  const { state, ageS } = useConnection();
  const live = state === "live";
  const age = live || ageS === null ? "" : ` · ${format.duration(ageS)} old`;
  return (
    <span title={WORDS[state] + age} className="inline-flex items-center gap-1.5 text-xs text-muted num">
      <span
        className={cn(
          "size-2 rounded-full",
          live ? "bg-ok" : state === "lost" ? "bg-bad" : "bg-warn",
          !live && "animate-breathe",
        )}
        aria-hidden
      />
      <span className={slim ? "sr-only" : undefined}>
        {/* The age would be read out each second. */}
        <span role="status">{WORDS[state]}</span>
        {age}
      </span>
    </span>
  );
}
