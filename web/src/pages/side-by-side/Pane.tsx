/** One pane: a page in a frame, with what it is, a way to load it again and one to open it in a tab. */
import { ExternalLink, RotateCw } from "lucide-react";
import { type ReactNode, useState } from "react";

import { buttonClass, Empty, IconButton, Tooltip } from "@/ui";

import type { Shown } from "./frames";

export interface PaneProps {
  title: string;
  /** What chooses among several: a select. */
  choice?: ReactNode;
  shown: Shown;
  /** The next step where there is nothing to frame. */
  action?: ReactNode;
  /** True for pages of other programs: they may not lead this page elsewhere. */
  foreign?: boolean;
}

const FOREIGN = "allow-scripts allow-same-origin allow-forms allow-popups allow-downloads allow-modals";

export function Pane({ title, choice, shown, action, foreign = false }: PaneProps) {
  const [round, setRound] = useState(0);
  return (
    <section
      aria-label={title}
      className="flex min-h-0 min-w-0 flex-col overflow-hidden rounded-lg border bg-surface"
    >
      <header className="flex h-11 shrink-0 items-center gap-2 border-b pl-3.5 pr-1.5">
        <h2 className="text-sm font-semibold">{title}</h2>
        <div className="min-w-0 flex-1">{choice}</div>
        {shown.url ? (
          <>
            <IconButton
              size="sm"
              label={`Load ${title} again`}
              icon={<RotateCw />}
              onClick={() => setRound((old) => old + 1)}
            />
            <Tooltip text="Open in a tab">
              <a
                href={shown.url}
                target="_blank"
                rel="noreferrer"
                aria-label={`Open ${title} in a tab`}
                className={`${buttonClass("ghost", "sm")} px-1.5`}
              >
                <ExternalLink aria-hidden />
              </a>
            </Tooltip>
          </>
        ) : null}
      </header>
      {shown.url ? (
        <iframe
          key={`${shown.url} ${round}`}
          title={title}
          src={shown.url}
          className="min-h-0 w-full flex-1 bg-bg"
          {...(foreign ? { sandbox: FOREIGN } : {})}
        />
      ) : (
        <Empty className="flex-1" title="Nothing to show here" text={shown.why} action={action} />
      )}
    </section>
  );
}
