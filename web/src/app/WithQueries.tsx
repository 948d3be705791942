/**
 * The cache of what pages ask for (settings, keys, searches), apart from the live data of the stream.
 *
 * Not around the whole console: the overview asks for nothing this way, and so need not load it.
 */
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import type { ReactNode } from "react";

import { useSession } from "@/api";

const queries = new QueryClient({
  defaultOptions: { queries: { staleTime: 10_000, retry: 1, refetchOnWindowFocus: false } },
});

// What one principal was told is not shown to the next one.
useSession.subscribe((now, before) => {
  if (now.name !== before.name) queries.clear();
});

export function WithQueries({ children }: { children: ReactNode }) {
  return <QueryClientProvider client={queries}>{children}</QueryClientProvider>;
}
