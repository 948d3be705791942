import { describe, expect, it } from "vitest";

import type { JobEvent } from "@/api";
import { heard, operationOf, type Start, type Wish } from "./wish";

const WISH: Wish = { model: " m ", hive: "h", device: "", engine: "", context: "", slots: "", gpuLayers: "" };
const START = { said: [], phase: "asking" } as unknown as Start;

function event(action: string, data?: unknown): JobEvent {
  return { action, message: action, type: "progress", job_id: "j", seq: 1, ts: 0, actor: "hive h", data };
}

describe("starting a worker", () => {
  it("leaves to the hive what was left empty", () => {
    expect(operationOf(WISH)).toMatchObject({
      model: "m",
      hive_id: "h",
      worker: "auto",
      device: null,
      slots: null,
    });
    expect(operationOf({ ...WISH, device: "GPU-0,GPU-1", slots: "4", gpuLayers: "-1" })).toMatchObject({
      device: [0, 1],
      slots: 4,
      gpu_layers: -1,
    });
  });

  it("goes from the download over the load to a worker", () => {
    const bytes = { bytes: 5, total: 10 };
    expect(heard(START, event("model_download_progress", bytes))).toMatchObject({
      phase: "downloading",
      download: bytes,
    });
    expect(heard(START, event("worker_spawn_health_check")).phase).toBe("loading");
    expect(heard(START, event("worker_spawn_complete", { worker_id: "w" }))).toMatchObject({
      phase: "ready",
      worker: { worker_id: "w" },
    });
  });
});
