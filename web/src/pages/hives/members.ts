/**
 * The books of joining (`GET /v1/hives`): who belongs to the colony, also those that do not beat.
 *
 * Operators alone may read them. Asked when the page opens and whenever the hives change.
 */
import { useCallback, useEffect, useState } from "react";

import { api, call, useSession } from "@/api";
import type { components } from "@/api/schema";
import { useTable } from "@/state";

export type Member = components["schemas"]["Member"];

export function useMembers(): { members: readonly Member[] | null; reload: () => void } {
  const isOperator = useSession((session) => session.operator);
  const hives = useTable("hives");
  const names = [...hives.keys()].join("\n");
  const [members, setMembers] = useState<readonly Member[] | null>(null);
  const [asked, setAsked] = useState(0);
  useEffect(() => {
    if (!isOperator) return undefined;
    let over = false;
    call(api.GET("/v1/hives"))
      .then((found) => over || setMembers(found.hives))
      // The page lives without it: the stream brings all hives that beat.
      .catch(() => over || setMembers(null));
    return () => {
      over = true;
    };
  }, [isOperator, names, asked]);
  const reload = useCallback(() => setAsked((n) => n + 1), []);
  return { members, reload };
}
