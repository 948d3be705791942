/**
 * Waiting for a machine: who joined by a certain token or under a name, and whether it beats yet.
 *
 * The stream tells of a hive from its first beat on; that it has its certificate stands in the books,
 * so these are asked every other second while somebody waits.
 */
import { useEffect, useState } from "react";

import { api, call } from "@/api";
import { useTable, type HiveRow } from "@/state";

import type { Member } from "../members";

const ASK_EVERY_MS = 2000;

export interface Arrival {
  member: Member | null;
  /** Its row once it beats. */
  hive: HiveRow | null;
}

/** `joinedBy` as the books say it: "token 1a2b3c"; null waits for nobody. */
export function useArrival(joinedBy: string | null): Arrival {
  const [member, setMember] = useState<Member | null>(null);
  const hives = useTable("hives");
  const beats = member ? (hives.get(member.hive_id) ?? null) : null;
  const here = beats !== null && beats.state === "fresh";
  useEffect(() => {
    setMember(null);
  }, [joinedBy]);
  useEffect(() => {
    if (joinedBy === null || here) return undefined;
    let over = false;
    const ask = async () => {
      try {
        const found = await call(api.GET("/v1/hives"));
        if (!over) setMember(found.hives.find((each) => each.joined_by === joinedBy) ?? null);
      } catch {
        // The banner says that the queen does not answer; the next look is two seconds away.
      }
    };
    void ask();
    const timer = setInterval(() => void ask(), ASK_EVERY_MS);
    return () => {
      over = true;
      clearInterval(timer);
    };
  }, [joinedBy, here]);
  return { member, hive: here ? beats : null };
}
