/** A model's id in two parts: what tells it from others, and where it is from. */

export interface NameParts {
  name: string;
  /** The repository, or empty. */
  from: string;
}

/** `org/repo:file.gguf` is `file` from `org/repo`; `org/repo` is `repo` from `org`; other ids are themselves. */
export function nameParts(model: string): NameParts {
  const file = /^([^:]+\/[^:]+):(.+)$/.exec(model);
  if (file?.[1] && file[2])
    return { name: file[2].replace(/^.*\//, "").replace(/\.gguf$/i, ""), from: file[1] };
  const slash = model.lastIndexOf("/");
  if (slash <= 0 || slash === model.length - 1) return { name: model, from: "" };
  return { name: model.slice(slash + 1), from: model.slice(0, slash) };
}

/** What tells it from others. */
export function shortName(model: string): string {
  return nameParts(model).name;
}
