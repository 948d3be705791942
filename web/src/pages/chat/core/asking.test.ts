import { describe, expect, it } from "vitest";

import { bodyOf, isStrict, messagesOf, withoutThought } from "./asking";
import { PLAIN, type Turn } from "./types";

const question: Turn = { id: "q", parent: null, role: "user", text: "Why?", at: 1 };
const answer: Turn = { id: "a", parent: "q", role: "assistant", text: "Because", at: 2 };

function asked(path: Turn[], more = {}) {
  return { model: "m", path, sampling: { ...PLAIN, ...more } };
}

describe("a request", () => {
  it("asks for events, figures and progress, and leaves the rest to the engine", () => {
    expect(bodyOf(asked([question]))).toEqual({
      model: "m",
      messages: [{ role: "user", content: "Why?" }],
      stream: true,
      stream_options: { include_usage: true },
      return_progress: true,
    });
  });

  it("carries what was set, zero too", () => {
    const body = bodyOf(
      asked([question], { temperature: 0, seed: 0, json: true, stop: ["END"], system: "Be brief." }),
    );
    expect(body).toMatchObject({
      temperature: 0,
      seed: 0,
      stop: ["END"],
      response_format: { type: "json_object" },
    });
    expect((body["messages"] as unknown[])[0]).toEqual({ role: "system", content: "Be brief." });
    expect(body).not.toHaveProperty("top_p");
  });

  it("goes on with an answer instead of beginning another", () => {
    const body = bodyOf({ ...asked([question, answer]), goesOn: true });
    expect(body).toMatchObject({ add_generation_prompt: false, continue_final_message: true });
    expect((body["messages"] as unknown[]).at(-1)).toEqual({ role: "assistant", content: "Because" });
  });

  it("leaves out failed answers and joins the questions around them", () => {
    const failed = { ...answer, text: "" };
    const second: Turn = { ...question, id: "q2", parent: "a", text: "Still?" };
    expect(messagesOf(asked([question, failed, second]))).toEqual([
      { role: "user", content: "Why?\n\nStill?" },
    ]);
  });

  it("sends pictures before the words and sounds by their format", () => {
    const image = {
      kind: "image",
      name: "x",
      mime: "image/png",
      url: "data:image/png;base64,AA",
      bytes: 1,
    } as const;
    const audio = {
      kind: "audio",
      name: "y",
      mime: "audio/mpeg",
      url: "data:audio/mpeg;base64,BB",
      bytes: 1,
    } as const;
    const [message] = messagesOf(asked([{ ...question, attachments: [image, audio] }]));
    expect(message?.content).toEqual([
      { type: "image_url", image_url: { url: "data:image/png;base64,AA" } },
      { type: "input_audio", input_audio: { data: "BB", format: "mp3" } },
      { type: "text", text: "Why?" },
    ]);
  });

  it("does not send fields of llama.cpp's to an engine that may refuse them", () => {
    expect(isStrict(["xllamacpp"])).toBe(false);
    expect(isStrict(["xllamacpp", "upstream"])).toBe(true);
    expect(bodyOf({ ...asked([question]), strict: true })).not.toHaveProperty("return_progress");
  });
});

describe("a thought in the text", () => {
  it("is taken apart, whole or while it comes", () => {
    expect(withoutThought("<think>hm</think>\n\nYes")).toEqual({ thought: "hm", text: "Yes" });
    expect(withoutThought("<think>hm")).toEqual({ thought: "hm", text: "" });
    expect(withoutThought("No <think> here")).toEqual({ thought: "", text: "No <think> here" });
  });

  it("is never sent back", () => {
    const thinking = { ...answer, text: "<think>hm</think>Yes" };
    expect(messagesOf(asked([question, thinking, { ...question, id: "q2" }]))[1]).toEqual({
      role: "assistant",
      content: "Yes",
    });
  });
});
