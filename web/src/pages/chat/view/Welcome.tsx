/** An empty chat: what can be done next, from an empty machine on. */
import { Link } from "@tanstack/react-router";

import { Button } from "@/ui";

import { shortName } from "../../models/names";
import { STARTER, talkerOf, useTalkers } from "../live/models";
import { READINESS } from "./readiness";

const IDEAS = [
  "Explain how bees find their way home",
  "Write a Python function that merges sorted lists",
  "Compare three ways to cache HTTP answers, as a table",
  "Draft a polite reply that says no",
];

export function Welcome({
  model,
  onIdea,
  onModel,
}: {
  model: string;
  onIdea: (text: string) => void;
  onModel: (model: string) => void;
}) {
  const { all, loaded, problem } = useTalkers();
  const talker = talkerOf(all, model);
  return (
    <div className="flex min-h-[50dvh] sm:min-h-[66dvh] flex-col items-center justify-center gap-6 py-8 text-center">
      <div className="flex flex-col gap-2">
        <h2 className="text-2xl font-semibold tracking-tight">What shall the colony think about?</h2>
        <p className="mx-auto max-w-md text-sm text-muted">
          {problem ??
            (model === ""
              ? loaded
                ? "No model is here yet. The starter (93 MB) is fetched and loaded with your first question."
                : "Asking which models are here …"
              : talker
                ? `${shortName(model)} is ${READINESS[talker.readiness].word}: it ${READINESS[talker.readiness].says}.`
                : `${model} is not here yet: it is downloaded when it is asked.`)}
        </p>
      </div>
      {model === "" && loaded ? (
        <div className="flex flex-wrap justify-center gap-2">
          <Button variant="primary" onClick={() => onModel(STARTER)}>
            Use the starter
          </Button>
          <Link
            to="/models"
            className="self-center text-sm text-muted underline underline-offset-2 hover:text-fg"
          >
            Find another model
          </Link>
        </div>
      ) : null}
      <div className="grid w-full max-w-xl gap-2 sm:grid-cols-2">
        {IDEAS.map((idea) => (
          <button
            key={idea}
            type="button"
            onClick={() => onIdea(idea)}
            className="rounded-xl border bg-surface px-3.5 py-3 text-left text-sm text-muted transition-colors hover:border-line-strong hover:text-fg"
          >
            {idea}
          </button>
        ))}
      </div>
      <p className="text-xs text-faint">Chats are kept in this browser only.</p>
    </div>
  );
}
