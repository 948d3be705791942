/**
 * The console's first lines: theme, session, stream, router; everything else is a page.
 *
 * The same bundle is served by the queen and by a hive. A hive says so in its index.html
 * (`<html data-room="hive">`) and then shows the one page that speaks of itself.
 */
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { lazy, StrictMode, Suspense } from "react";
import { createRoot } from "react-dom/client";

import "./styles.css";
import { router } from "./app/router";
import { SessionGate } from "./app/SessionGate";
import { startTheme } from "./app/theme";

startTheme();

// Live data comes by the stream; what is asked for (settings, keys, searches) may be a little old.
const queries = new QueryClient({
  defaultOptions: { queries: { staleTime: 10_000, retry: 1, refetchOnWindowFocus: false } },
});

const HiveConsole = lazy(() =>
  import("./app/HiveConsole").then((module) => ({ default: module.HiveConsole })),
);
const isHive = document.documentElement.dataset["room"] === "hive";

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        {isHive ? (
          <Suspense>
            <HiveConsole />
          </Suspense>
        ) : (
          <SessionGate>
            <RouterProvider router={router} />
          </SessionGate>
        )}
      </QueryClientProvider>
    </StrictMode>,
  );
}
