/**
 * The frame of every page: the rail, the banner of the connection, the page, and what opens above it.
 *
 * The rule it keeps: only <main> scrolls, so tables and charts inside it find one scroller, and the page
 * never moves sideways.
 */
import { Outlet, useNavigate, useRouterState } from "@tanstack/react-router";
import { Search } from "lucide-react";
import { useEffect, useRef } from "react";

import { useSession } from "@/api";
import { startStream, stopStream } from "@/state";
import { IconButton, Keys, TooltipProvider, useMedia } from "@/ui";

import { openPalette, useCommandStore } from "./commands";
import { ConnectionBanner, VersionBanner } from "./ConnectionBanner";
import { openHelp } from "./help-store";
import { Mark } from "./Mark";
import { NeedsScope } from "./NeedsScope";
import { NavList, TabBar } from "./Nav";
import { useTitleProgress } from "./marks";
import { NavFoot } from "./NavFoot";
import { Overlays } from "./Overlays";
import { PLACES } from "./places";
import { addShortcut, startShortcuts } from "./shortcuts";

/** The keys that hold on every page. */
function useGlobalKeys(): void {
  const navigate = useNavigate();
  useEffect(() => {
    const stops = [
      startShortcuts(),
      addShortcut({
        keys: "mod+k",
        label: "Command palette",
        group: "Everywhere",
        run: () => openPalette(!useCommandStore.getState().open),
      }),
      addShortcut({ keys: "?", label: "These keys", group: "Everywhere", run: () => openHelp() }),
      addShortcut({
        keys: "/",
        label: "Filter",
        group: "Hidden",
        run: () => document.querySelector<HTMLInputElement>("[data-search]")?.focus(),
      }),
      ...PLACES.map((place) =>
        addShortcut({
          keys: place.keys,
          label: place.label,
          group: "Go to",
          run: () => void navigate({ to: place.path }),
        }),
      ),
    ];
    return () => stops.forEach((stop) => stop());
  }, [navigate]);
}

/** A change of page puts the focus to the top of the new one, as a load of a page would. */
function useFocusOnNavigation(): void {
  const path = useRouterState({ select: (state) => state.location.pathname });
  const before = useRef(path);
  useEffect(() => {
    // The first page begins as every page does: Tab leads to the link that skips the navigation.
    if (before.current === path) return;
    before.current = path;
    // A page that focused something of its own (the chat's input) keeps it.
    if (document.activeElement?.closest("main")) return;
    if (
      document.activeElement &&
      document.activeElement !== document.body &&
      !document.activeElement.closest("nav")
    )
      return;
    document.getElementById("main")?.focus({ preventScroll: true });
  }, [path]);
}

function SearchButton({ slim }: { slim: boolean }) {
  if (slim)
    return (
      <IconButton label="Search and commands" keys="mod+k" icon={<Search />} onClick={() => openPalette()} />
    );
  return (
    <button
      type="button"
      onClick={() => openPalette()}
      className="flex h-8 w-full items-center gap-2 rounded-md border bg-surface px-2 text-sm text-faint transition-colors hover:border-line-strong hover:text-muted"
    >
      <Search className="size-4" aria-hidden />
      <span className="flex-1 text-left">Search …</span>
      <Keys keys="mod+k" />
    </button>
  );
}

/** The stream lives as long as somebody is signed in: the session's gate stands around this. */
function useStream(): void {
  useEffect(() => {
    startStream();
    return stopStream;
  }, []);
}

/** The page, unless this key may see nothing of it. */
function Place() {
  const path = useRouterState({ select: (state) => state.location.pathname });
  const scopes = useSession((session) => session.scopes);
  const place = PLACES.find((one) => one.path === path);
  if (place?.needs && !scopes.includes(place.needs) && !scopes.includes("operator"))
    return <NeedsScope title={place.label} scope={place.needs} />;
  return <Outlet />;
}

export function Layout() {
  useStream();
  useTitleProgress();
  useGlobalKeys();
  useFocusOnNavigation();
  const slim = !useMedia("(min-width: 1100px)");
  return (
    <TooltipProvider>
      <a
        href="#main"
        className="sr-only z-50 rounded-md bg-accent px-3 py-2 font-medium text-accent-ink focus:not-sr-only focus:fixed focus:left-3 focus:top-3"
      >
        Skip to the page
      </a>
      <div className="flex h-full min-w-0 flex-col md:flex-row">
        <aside
          className={`hidden shrink-0 flex-col gap-4 border-r py-3 md:flex ${slim ? "w-[52px] items-center px-1.5" : "w-[216px] px-2.5"}`}
        >
          <div className="flex h-8 items-center gap-2 px-1.5">
            <Mark className="size-6" />
            {slim ? null : <span className="text-base font-semibold tracking-tight">rbee</span>}
          </div>
          <SearchButton slim={slim} />
          <div className="min-h-0 flex-1 overflow-y-auto overflow-x-hidden">
            <NavList slim={slim} />
          </div>
          <NavFoot slim={slim} />
        </aside>
        <div className="flex min-h-0 min-w-0 flex-1 flex-col">
          <header className="flex h-12 shrink-0 items-center gap-2 border-b px-3 md:hidden">
            <Mark className="size-6" />
            <span className="text-base font-semibold tracking-tight">rbee</span>
            <IconButton
              label="Search and commands"
              icon={<Search />}
              className="ml-auto"
              onClick={() => openPalette()}
            />
          </header>
          <ConnectionBanner />
          <VersionBanner />
          <main
            id="main"
            tabIndex={-1}
            className="relative min-h-0 flex-1 overflow-y-auto overflow-x-hidden focus:outline-none"
          >
            <Place />
          </main>
        </div>
        <TabBar />
      </div>
      <Overlays />
    </TooltipProvider>
  );
}
