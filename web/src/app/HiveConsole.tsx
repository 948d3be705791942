/** The frame of a hive's own page: no stream and no navigation, since a hive knows itself alone. */
import { useEffect } from "react";

import { TooltipProvider } from "@/ui";

import { Page } from "../pages/hive-own";
import { Mark } from "./Mark";
import { ThemeButton } from "./NavFoot";
import { Overlays } from "./Overlays";
import { startShortcuts } from "./shortcuts";

export function HiveConsole() {
  useEffect(startShortcuts, []);
  return (
    <TooltipProvider>
      <div className="flex h-full min-w-0 flex-col">
        <header className="flex h-12 shrink-0 items-center gap-2 border-b px-4">
          <Mark className="size-6" />
          <span className="text-base font-semibold tracking-tight">rbee</span>
          <span className="text-muted">hive</span>
          <div className="ml-auto">
            <ThemeButton />
          </div>
        </header>
        <main id="main" className="relative min-h-0 flex-1 overflow-y-auto overflow-x-hidden">
          <Page />
        </main>
      </div>
      <Overlays />
    </TooltipProvider>
  );
}
