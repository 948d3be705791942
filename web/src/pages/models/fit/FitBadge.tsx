/** Whether a model fits somewhere, in one word and a tone; why stands in its title. */
import { Badge, format, type Tone } from "@/ui";
import type { PlanOption } from "./usePlan";

const FITS: Record<string, { word: string; tone: Tone }> = {
  yes: { word: "fits", tone: "ok" },
  no: { word: "too large", tone: "bad" },
  unknown: { word: "not sure", tone: "warn" },
};

/** The verdict of a hive on a file that the hub offers. */
export function FitBadge({ fits, reason }: { fits: string | null | undefined; reason?: string | null }) {
  const look = FITS[fits ?? ""];
  if (!look)
    return (
      <span className="text-faint" title={reason ?? "Not judged yet"}>
        {format.UNKNOWN}
      </span>
    );
  return (
    <Badge tone={look.tone} title={reason ?? undefined}>
      {look.word}
    </Badge>
  );
}

/** The same for a device, as the plan says it: it fits, it fits when others go, or not. */
export function OptionBadge({ option }: { option: PlanOption }) {
  const { needed_bytes: needed, free_bytes: free } = option;
  if (option.able)
    return (
      <Badge tone="ok" title={option.reason}>
        {option.chosen ? "best" : "fits"}
      </Badge>
    );
  const isMemory = needed !== null && free !== null && needed > free;
  return (
    <Badge tone={isMemory ? "bad" : "warn"} title={option.reason}>
      {isMemory ? "too large now" : "not now"}
    </Badge>
  );
}
