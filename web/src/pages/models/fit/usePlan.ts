/** What a request for a model would lead to (`GET /v1/plan`), asked again when what is typed rests. */
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import { api, asProblem, call, type Problem } from "@/api";
import type { components } from "@/api/schema";

export type Plan = components["schemas"]["Plan"];
export type PlanOption = components["schemas"]["PlanOption"];

const TYPING_MS = 350;
const FRESH_MS = 5_000; // memory comes and goes with workers

/** The value, once it has not changed for a moment. */
export function useRested(value: string, ms = TYPING_MS): string {
  const [rested, setRested] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setRested(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return rested;
}

export interface Planned {
  plan: Plan | undefined;
  problem: Problem | null;
  asking: boolean;
  /** Whether the plan is of what is named now, not of what was named before. */
  settled: boolean;
}

/** The plan for a model, on a hive if one is wished for; nothing is asked for an empty name. */
export function usePlan(model: string, hiveId = ""): Planned {
  const name = useRested(model.trim());
  const found = useQuery({
    queryKey: ["plan", name, hiveId],
    enabled: name !== "",
    staleTime: FRESH_MS,
    placeholderData: keepPreviousData,
    retry: false,
    queryFn: ({ signal }) =>
      call(
        api.GET("/v1/plan", {
          params: { query: { model: name, ...(hiveId ? { hive_id: hiveId } : {}) } },
          signal,
        }),
      ),
  });
  return {
    plan: name === "" || found.isError ? undefined : found.data,
    problem: found.isError ? asProblem(found.error) : null,
    asking: found.isFetching || name !== model.trim(),
    settled: name === model.trim() && !found.isPlaceholderData && !found.isPending,
  };
}

/** Where it would go: as planned, else the first place that could take it. */
export function bestOption(plan: Plan): PlanOption | undefined {
  return plan.options.find((option) => option.chosen) ?? plan.options.find((option) => option.able);
}
