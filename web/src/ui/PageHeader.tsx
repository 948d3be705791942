/** The head of a page: its name, one quiet line, and its actions; it also names the browser's tab. */
import type { ReactNode } from "react";

import { usePageTitle } from "./title";

export interface PageHeaderProps {
  title: string;
  note?: ReactNode;
  /** Filters and buttons at the right; they wrap under the title at 390 px. */
  actions?: ReactNode;
}

export function PageHeader({ title, note, actions }: PageHeaderProps) {
  usePageTitle(title);
  return (
    <header className="flex flex-wrap items-center gap-x-3 gap-y-2">
      <h1 className="text-lg font-semibold tracking-tight">{title}</h1>
      {note ? <span className="text-xs text-muted num">{note}</span> : null}
      {actions ? (
        <div className="flex min-w-0 flex-wrap items-center gap-2 max-sm:w-full sm:ml-auto">{actions}</div>
      ) : null}
    </header>
  );
}

/** The frame of a page: even margins, a column of sections. */
export function PageBody({ children, className = "" }: { children: ReactNode; className?: string }) {
  return (
    <div className={`mx-auto flex w-full max-w-[1680px] flex-col gap-4 p-4 sm:p-5 ${className}`}>
      {children}
    </div>
  );
}
