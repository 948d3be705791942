/** What actions report: a person's own stop is no trouble, and the same words twice are one message. */
import { beforeEach, describe, expect, it } from "vitest";

import { ABORTED, asProblem, Problem } from "@/api/problems";

import { toast, useToasts } from "./toasts";

const shown = () => useToasts.getState().toasts;

beforeEach(() => useToasts.setState({ toasts: [] }));

describe("a problem", () => {
  it("is told with its remedy, once", () => {
    const problem = new Problem({ message: "No.", remedy: "Do this." });
    toast.problem(problem);
    toast.problem(problem);
    expect(shown()).toMatchObject([{ tone: "bad", title: "No.", remedy: "Do this." }]);
  });

  it("that was a person's own stop is not told", () => {
    toast.problem(new DOMException("", "AbortError"));
    toast.problem(asProblem(new DOMException("", "AbortError")));
    toast.problem(new Problem({ message: "It was stopped here.", code: ABORTED }));
    expect(shown()).toEqual([]);
  });
});
