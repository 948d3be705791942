/** Search the hub through a hive (`GET /v1/hives/ID/models/search`): it has the token, and judges what fits there. */
import { keepPreviousData, useQuery } from "@tanstack/react-query";

import { api, asProblem, call, type Problem } from "@/api";
import type { components } from "@/api/schema";
import { useRested } from "../fit/usePlan";

export type OfferedModel = components["schemas"]["OfferedModel"];
export type OfferedFile = components["schemas"]["OfferedFile"];

const FOUND_MAX = 20;
const KEPT_MS = 60_000; // as long as a hive keeps it itself

export interface Found {
  models: readonly OfferedModel[] | undefined;
  problem: Problem | null;
  asking: boolean;
  query: string;
}

export function useSearch(words: string, hiveId: string): Found {
  const query = useRested(words.trim(), 450);
  const found = useQuery({
    queryKey: ["hub", hiveId, query],
    enabled: query !== "" && hiveId !== "",
    staleTime: KEPT_MS,
    placeholderData: keepPreviousData,
    retry: false,
    queryFn: ({ signal }) =>
      call(
        api.GET("/v1/hives/{hive_id}/models/search", {
          params: { path: { hive_id: hiveId }, query: { q: query, limit: FOUND_MAX, fit: 1 } },
          signal,
        }),
      ),
  });
  return {
    models: query === "" || found.isError ? undefined : found.data?.models,
    problem: found.isError ? asProblem(found.error) : null,
    asking: query !== "" && found.isFetching,
    query,
  };
}
