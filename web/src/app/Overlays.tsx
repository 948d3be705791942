/**
 * What opens above every page: palette, keys, questions, messages.
 *
 * The rule it keeps: dialogs load when they are first wanted, so that the first paint does not carry them;
 * once loaded they stay, and close with their own animation.
 */
import { lazy, Suspense, useState, type ComponentType, type LazyExoticComponent } from "react";

import { useCommandStore } from "./commands";
import { useQuestion } from "./confirm";
import { useHelp } from "./help-store";
import { Toaster } from "./Toaster";

const CommandPalette = lazy(() =>
  import("./CommandPalette").then((module) => ({ default: module.CommandPalette })),
);
const Help = lazy(() => import("./Help").then((module) => ({ default: module.Help })));
const ConfirmDialog = lazy(() =>
  import("./ConfirmDialog").then((module) => ({ default: module.ConfirmDialog })),
);

function OnceWanted({ wanted, of: Part }: { wanted: boolean; of: LazyExoticComponent<ComponentType> }) {
  const [was, setWas] = useState(false);
  if (wanted && !was) setWas(true);
  return was || wanted ? (
    <Suspense>
      <Part />
    </Suspense>
  ) : null;
}

export function Overlays() {
  return (
    <>
      <OnceWanted wanted={useCommandStore((state) => state.open)} of={CommandPalette} />
      <OnceWanted wanted={useHelp((state) => state.open)} of={Help} />
      <OnceWanted wanted={useQuestion((state) => state.question !== null)} of={ConfirmDialog} />
      <Toaster />
    </>
  );
}
