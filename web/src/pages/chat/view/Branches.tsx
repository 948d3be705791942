/** Arrows between the versions of one turn: "2 / 3". Nothing is shown where there is only one. */
import { ChevronLeft, ChevronRight } from "lucide-react";

import { IconButton } from "@/ui";

import type { Place } from "../core/tree";
import { step } from "../live/talk";

export interface BranchesProps {
  pane: number;
  turn: string;
  place: Place;
  what: string;
}

export function Branches({ pane, turn, place, what }: BranchesProps) {
  if (place.of < 2) return null;
  return (
    <span className="flex items-center" role="group" aria-label={`Versions of this ${what}`}>
      <IconButton
        label={`Earlier version of the ${what}`}
        icon={<ChevronLeft />}
        size="sm"
        disabled={place.at === 0}
        onClick={() => step(pane, turn, -1)}
      />
      <span className="num text-xs text-muted" aria-label={`Version ${place.at + 1} of ${place.of}`}>
        {place.at + 1} / {place.of}
      </span>
      <IconButton
        label={`Later version of the ${what}`}
        icon={<ChevronRight />}
        size="sm"
        disabled={place.at === place.of - 1}
        onClick={() => step(pane, turn, 1)}
      />
    </span>
  );
}
