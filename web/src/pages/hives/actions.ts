/** What an operator does with a hive: each asks first where it cannot be undone, and says how it went. */
import { api, call, may } from "@/api";
import { confirm, toast } from "@/app";
import type { HiveRow } from "@/state";
import { format } from "@/ui";

/** Has a hive look for devices and try its engines anew; whether it did. */
export async function lookAgain(hiveId: string): Promise<boolean> {
  const path = { params: { path: { hive_id: hiveId } } };
  try {
    const [found, tried] = await Promise.all([
      call(
        api.GET("/v1/hives/{hive_id}/capabilities", {
          params: { path: { hive_id: hiveId }, query: { refresh: 1 } },
        }),
      ),
      call(api.POST("/v1/hives/{hive_id}/engines/probe", path)),
    ]);
    const gpus = found.devices.filter((device) => device.device_type !== "cpu").length;
    const engines = tried.engines.filter((engine) => engine.usable).length;
    toast.ok(
      `${hiveId} looked again: ${format.plural(gpus, "GPU")}, ${format.plural(engines, "usable engine")}`,
    );
    return true;
  } catch (error) {
    toast.problem(error);
    return false;
  }
}

/** Stops a hive. Its workers end with it, or go on until the next hive takes them up. */
export async function stopHive(hive: HiveRow, keepWorkers: boolean): Promise<boolean> {
  const what = keepWorkers
    ? "Its workers go on answering what they have; nothing new reaches them until a hive runs there again."
    : hive.workers > 0
      ? `Its ${format.plural(hive.workers, "worker")} end their running answers first, then stop.`
      : "It has no workers.";
  const yes = await confirm({
    title: `Stop the hive ${hive.hive_id}?`,
    text: `${what} From here it cannot be started again: that needs \`rbee hive start\` on its machine.`,
    action: keepWorkers ? "Stop, keep workers" : "Stop hive",
  });
  if (!yes) return false;
  return done(
    call(
      api.POST("/v1/hives/{hive_id}/stop", {
        params: { path: { hive_id: hive.hive_id } },
        body: { keep_workers: keepWorkers },
      }),
    ),
    `${hive.hive_id} is stopping`,
  );
}

/** Shuts a hive out for good: its certificate counts no more. */
export async function revokeHive(hiveId: string): Promise<boolean> {
  const yes = await confirm({
    title: `Shut ${hiveId} out of the colony?`,
    text: "Its certificate counts no more, as of now; its link is cut, and its workers leave the colony. It can join again with a new token.",
    action: "Revoke",
  });
  if (!yes) return false;
  return done(
    call(api.POST("/v1/hives/{hive_id}/revoke", { params: { path: { hive_id: hiveId } } })),
    `${hiveId} is shut out`,
  );
}

/** Strikes a hive that is gone from the books; its name is then free. */
export async function forgetHive(hiveId: string): Promise<boolean> {
  const yes = await confirm({
    title: `Forget ${hiveId}?`,
    text: "It vanishes from every list, and its name is free again. A machine that still has its certificate has to join anew.",
    action: "Forget",
  });
  if (!yes) return false;
  return done(
    call(api.DELETE("/v1/hives/{hive_id}", { params: { path: { hive_id: hiveId } } })),
    `${hiveId} is forgotten`,
  );
}

/** Lets a machine in that waits, or sends it away; `code` is what was compared. */
export async function decide(code: string, hiveId: string, verb: "approve" | "reject"): Promise<boolean> {
  const params = { path: { name: hiveId } };
  const answer =
    verb === "approve"
      ? api.POST("/v1/join-requests/{name}/approve", { params, body: { code } })
      : api.POST("/v1/join-requests/{name}/reject", { params, body: { code } });
  return done(call(answer), verb === "approve" ? `${hiveId} is let in` : `${hiveId} was sent away`);
}

export function mayOperate(): boolean {
  return may("operator");
}

async function done(answer: Promise<unknown>, words: string): Promise<boolean> {
  try {
    await answer;
    toast.ok(words);
    return true;
  } catch (error) {
    toast.problem(error);
    return false;
  }
}
