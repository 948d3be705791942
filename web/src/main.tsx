/**
 * The console's first lines: theme, session, stream, router; everything else is a page.
 *
 * The same bundle is served by the queen and by a hive. A hive says so in its index.html
 * (`<html data-room="hive">`) and then shows the one page that speaks of itself.
 */
import { RouterProvider } from "@tanstack/react-router";
import { lazy, StrictMode, Suspense } from "react";
import { createRoot } from "react-dom/client";

import "./styles.css";
import { mendLanguage } from "./app/language";
import { router } from "./app/router";
import { SessionGate } from "./app/SessionGate";
import { startTheme } from "./app/theme";

mendLanguage(navigator);
startTheme();

const HiveConsole = lazy(() =>
  import("./app/HiveConsole").then((module) => ({ default: module.HiveConsole })),
);
const isHive = document.documentElement.dataset["room"] === "hive";

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      {isHive ? (
        <Suspense>
          <HiveConsole />
        </Suspense>
      ) : (
        <SessionGate>
          <RouterProvider router={router} />
        </SessionGate>
      )}
    </StrictMode>,
  );
}
