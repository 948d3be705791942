/**
 * Filters live in the URL: `const [filter, setFilter] = useUrlState("q")`.
 *
 * The rule it keeps: all search parameters are plain text, an empty one is left out, and writing one
 * replaces the entry of the history, so Back leaves the page instead of undoing letters.
 */
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback } from "react";

export type Search = Record<string, string>;

export function parseSearch(text: string): Search {
  return Object.fromEntries(new URLSearchParams(text));
}

export function stringifySearch(search: Record<string, unknown>): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(search)) {
    if (typeof value === "string" && value !== "") params.set(key, value);
  }
  const text = params.toString();
  return text ? `?${text}` : "";
}

/** One search parameter of the page that shows; `push` makes Back undo it (sheets, wizards). */
export function useUrlState(
  key: string,
  initial = "",
  options: { push?: boolean } = {},
): [string, (value: string) => void] {
  const search: Search = useSearch({ strict: false });
  const navigate = useNavigate();
  const { push = false } = options;
  const write = useCallback(
    (value: string) => {
      const next = (old: Search): Search => ({ ...old, [key]: value === initial ? "" : value });
      void navigate({ to: ".", search: next as never, replace: !push });
    },
    [key, initial, navigate, push],
  );
  return [search[key] ?? initial, write];
}
