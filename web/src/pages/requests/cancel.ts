/** Ending other people's requests: asked first, since their clients are told. */
import { api, call } from "@/api";
import { confirm, toast } from "@/app";
import type { RequestRow } from "@/state";

/** Ask, then cancel; failures (it is over by now) are shown. */
export async function cancelRequest(row: RequestRow): Promise<void> {
  const who = row.client === null ? "Its client" : `Its client (${row.client})`;
  const sure = await confirm({
    title: row.state === "waiting" ? "Take this request out of the queue?" : "Stop this answer?",
    text: `${who} gets an error that says that an operator cancelled the request. ${
      row.state === "waiting" ? "It has no worker yet." : "What was written so far stays with it."
    }`,
    action: "Cancel the request",
    danger: true,
  });
  if (!sure) return;
  try {
    await call(api.DELETE("/v1/requests/{request_id}", { params: { path: { request_id: row.job_id } } }));
    toast.ok(`The request for ${row.model} is cancelled.`);
  } catch (error) {
    toast.problem(error);
  }
}
