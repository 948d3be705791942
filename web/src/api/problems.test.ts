import { expect, it } from "vitest";

import { problemOf } from "./problems";

const response = new Response(null, { status: 413 });

it("says a remedy once, though OpenAI's dialect has it in the message too", () => {
  const said = "The body is over the limit of 32 MiB. Send less at once.";
  const error = { message: said, remedy: "Send less at once.", code: "too_large" };
  const problem = problemOf({ error }, response);
  expect(problem.message).toBe("The body is over the limit of 32 MiB.");
  expect(problem.remedy).toBe("Send less at once.");
});

it("leaves a message alone that does not end with it", () => {
  const problem = problemOf({ error: { message: "No.", remedy: "Wait." } }, response);
  expect([problem.message, problem.remedy]).toEqual(["No.", "Wait."]);
  expect(problemOf({ error: { message: "No." } }, response).message).toBe("No.");
});
