import { expect, it } from "vitest";

import type { HiveRow, WorkerRow } from "@/state";

import { hivePage, workerPage } from "./frames";

const HERE = { protocol: "http:", hostname: "localhost" };
const hive = (more: Partial<HiveRow>) =>
  ({
    hive_id: "h",
    local: true,
    port: 7835,
    address: "127.0.0.1",
    hostname: "pc",
    tls: false,
    outbound_only: false,
    ...more,
  }) as HiveRow;
const worker = (more: Partial<WorkerRow>) =>
  ({ worker_id: "w 1", engine: "xllamacpp", status: "ready", ...more }) as WorkerRow;

it("frames the hive of this machine under the name that the browser has for it", () => {
  expect(hivePage(hive({}), HERE).url).toBe("http://localhost:7835/");
  expect(hivePage(hive({}), { ...HERE, hostname: "10.0.0.5" }).why).toContain("on pc alone");
});

it("says why a hive elsewhere cannot be framed", () => {
  expect(hivePage(hive({ local: false, address: "10.0.0.7", tls: true }), HERE).url).toBeNull();
  expect(hivePage(hive({ outbound_only: true }), HERE).why).toContain("its own link");
  expect(hivePage(undefined, HERE).why).toContain("No hive");
});

it("frames the pages of llama.cpp's workers that are ready", () => {
  expect(workerPage(worker({})).url).toBe("/workers/w%201/ui/");
  expect(workerPage(worker({ engine: "xllamacpp-cuda" })).url).not.toBeNull();
  expect(workerPage(worker({ engine: "vllm" })).why).toContain("no page of its own");
  expect(workerPage(worker({ status: "starting" })).why).toContain("when it is ready");
});
