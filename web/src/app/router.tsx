/**
 * Which page a path shows. Each page is a chunk of its own, loaded when it is wanted or pointed at.
 *
 * The queen (and a hive) answers any path without a file with index.html, so all of these can be opened directly.
 */
import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  type RouteComponent,
} from "@tanstack/react-router";

import { Loading } from "@/ui";

import { NotFound, PageError } from "./Trouble";
import { Layout } from "./Layout";
import { parseSearch, stringifySearch, type Search } from "./url";

const root = createRootRoute({
  component: Layout,
  notFoundComponent: NotFound,
  validateSearch: (search): Search => search as Search,
});

type Module = Promise<{ Page: RouteComponent }>;

/** A page together with the cache that its questions go through. */
async function asking(load: () => Module): Module {
  const [{ Page }, { WithQueries }] = await Promise.all([load(), import("./WithQueries")]);
  return {
    Page: () => (
      <WithQueries>
        <Page />
      </WithQueries>
    ),
  };
}

const page = <P extends string>(path: P, load: () => Module) =>
  createRoute({ getParentRoute: () => root, path, component: lazyRouteComponent(load, "Page") });

const tree = root.addChildren([
  page("/", () => import("../pages/overview")),
  page("/hives", () => asking(() => import("../pages/hives"))),
  page("/workers", () => asking(() => import("../pages/workers"))),
  page("/models", () => asking(() => import("../pages/models"))),
  page("/chat", () => asking(() => import("../pages/chat"))),
  page("/requests", () => asking(() => import("../pages/requests"))),
  page("/events", () => asking(() => import("../pages/events"))),
  page("/keys", () => asking(() => import("../pages/keys"))),
  page("/settings", () => asking(() => import("../pages/settings"))),
  page("/hive", () => asking(() => import("../pages/hive-own"))),
  page("/side-by-side", () => asking(() => import("../pages/side-by-side"))),
]);

/** A page that comes at once shows no waiting words; one that takes longer does. */
const PENDING_AFTER_MS = 400;

export const router = createRouter({
  routeTree: tree,
  parseSearch,
  stringifySearch,
  defaultPreload: "intent",
  defaultPendingMs: PENDING_AFTER_MS,
  defaultPendingComponent: () => <Loading text="Opening the page …" />,
  defaultErrorComponent: PageError,
  defaultNotFoundComponent: NotFound,
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
