/** When a page fails or is not there: words, and the way on; never a blank window. */
import { Link, type ErrorComponentProps } from "@tanstack/react-router";
import { CloudAlert, Hexagon } from "lucide-react";

import { Button, buttonClass, CodeBlock, Empty, usePageTitle } from "@/ui";

import { wordsOf } from "./toasts";

/** A chunk that is gone means that the queen was updated under an open page. */
function isOutdated(error: unknown): boolean {
  return /dynamically imported module|module script|Failed to fetch/i.test(wordsOf(error).message);
}

export function PageError({ error, reset }: ErrorComponentProps) {
  const outdated = isOutdated(error);
  const { message, remedy } = wordsOf(error);
  return (
    <div role="alert">
      <Empty
        icon={<CloudAlert />}
        title={outdated ? "This page could not be loaded" : "This page broke"}
        text={
          outdated
            ? "The queen was probably updated or is away for a moment. Loading the console anew fetches the pages that fit to it."
            : (remedy ??
              "Try again; if it comes back, load the console anew and tell what is below in a report. The colony is not touched by it.")
        }
        action={
          <>
            <Button variant="primary" onClick={() => location.reload()}>
              Load the console anew
            </Button>
            {outdated ? null : <Button onClick={reset}>Try again</Button>}
          </>
        }
      />
      {outdated ? null : <CodeBlock code={message} label="Error" wrap className="mx-auto max-w-xl" />}
    </div>
  );
}

export function NotFound() {
  usePageTitle("Not found");
  return (
    <Empty
      icon={<Hexagon />}
      title="There is no page here"
      text="The address names nothing that the console knows. It may come from another version."
      action={
        <Link to="/" className={buttonClass("primary")}>
          To the overview
        </Link>
      }
      className="pt-[18vh]"
    />
  );
}
