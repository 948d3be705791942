/**
 * What a hive says of itself, asked for every few seconds: it has no stream of its own, and this page
 * is open for minutes, not for days. Nothing is asked while the page is hidden.
 */
import createClient from "openapi-fetch";
import { useCallback, useEffect, useRef, useState } from "react";

import { asProblem, call, type Problem, runJob, sessionFetch } from "@/api";
import type { components, paths } from "@/api/hive-schema";

export type Schemas = components["schemas"];
export type Device = Schemas["Device"];
export type Model = Schemas["Model"];
export type Worker = Schemas["WorkerProcess"];

export const hiveApi = createClient<paths>({ baseUrl: "", fetch: sessionFetch });

export interface Hive {
  info: Schemas["ServiceInfo"] | null;
  capabilities: Schemas["Capabilities"] | null;
  workers: readonly Worker[] | null;
  models: readonly Model[] | null;
  /** Why the last look failed; what is shown is then older. */
  problem: Problem | null;
  /** When it was last looked at, unix seconds. */
  at: number | null;
  /** Look now: after an action, or with `devices` for devices that were plugged in. */
  look: (devices?: boolean) => Promise<void>;
}

const EVERY_MS = 2_500; // a worker's start takes seconds; a person looks no faster

async function listed<R>(operation: string, action: string): Promise<R[]> {
  const rows: R[] = [];
  await runJob({ operation }, (event) => {
    if (event.action === action) rows.push(event.data as R);
  });
  return rows;
}

const EMPTY = { info: null, capabilities: null, workers: null, models: null, problem: null, at: null };

export function useHive(): Hive {
  const [found, setFound] = useState<Omit<Hive, "look">>(EMPTY);
  const looking = useRef(false);
  const look = useCallback(async (devices = false) => {
    if (looking.current && !devices) return;
    looking.current = true;
    try {
      const query = devices ? { refresh: 1 } : {};
      const [info, capabilities, workers, models] = await Promise.all([
        call(hiveApi.GET("/v1/info")),
        call(hiveApi.GET("/v1/capabilities", { params: { query } })),
        listed<Worker>("worker_process_list", "worker_proc_list_entry"),
        listed<Model>("model_list", "model_list_entry"),
      ]);
      setFound({ info, capabilities, workers, models, problem: null, at: Date.now() / 1000 });
    } catch (error) {
      setFound((old) => ({ ...old, problem: asProblem(error) }));
    } finally {
      looking.current = false;
    }
  }, []);
  useEffect(() => {
    void look();
    const timer = setInterval(() => {
      if (!document.hidden) void look();
    }, EVERY_MS);
    return () => clearInterval(timer);
  }, [look]);
  return { ...found, look };
}
