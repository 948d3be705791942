/** The ways to the pages: a rail at the left, and on phones a bar at the foot with the rest behind "More". */
import { Link } from "@tanstack/react-router";
import { Ellipsis } from "lucide-react";
import { lazy, Suspense, useState } from "react";

import { cn, Tooltip } from "@/ui";

import { GROUPS, PLACES, type Place } from "./places";
import { useMarks, type Marks } from "./marks";

const MoreSheet = lazy(() => import("./MoreSheet").then((module) => ({ default: module.MoreSheet })));

const ITEM =
  "flex h-8 max-md:h-10 items-center gap-2.5 rounded-md px-2 text-sm text-muted transition-colors hover:bg-hover hover:text-fg [&_svg]:size-4 [&_svg]:shrink-0 " +
  "data-[status=active]:bg-raised data-[status=active]:font-medium data-[status=active]:text-fg data-[status=active]:[&_svg]:text-accent-text";

/** A figure at a page's name: what waits there for someone. */
function Count({ place, marks, className }: { place: Place; marks: Marks; className?: string }) {
  const mark = marks[place.path];
  if (!mark) return null;
  return (
    <span
      title={mark.title}
      className={cn(
        "grid h-4 min-w-4 place-items-center rounded-full bg-accent px-1 text-2xs font-semibold text-accent-ink num",
        className,
      )}
    >
      {mark.count}
      <span className="sr-only"> {mark.title}</span>
    </span>
  );
}

/** All pages under their headings; `slim` shows the icons alone, with tooltips. */
export function NavList({ slim = false, onGo }: { slim?: boolean; onGo?: () => void }) {
  const marks = useMarks();
  return (
    <nav aria-label="Pages" className="flex flex-col gap-4">
      {GROUPS.map((group) => (
        <div key={group}>
          <p className={cn("mb-1 px-2 text-2xs font-medium text-faint", slim && "sr-only")}>{group}</p>
          <ul className="flex flex-col gap-px">
            {PLACES.filter((place) => place.group === group).map((place) => {
              const link = (
                <Link
                  to={place.path}
                  activeOptions={{ exact: place.path === "/", includeSearch: false }}
                  className={cn(ITEM, "relative", slim && "justify-center px-0")}
                  onClick={onGo}
                >
                  <place.icon aria-hidden />
                  <span className={cn("flex-1 truncate", slim && "sr-only")}>{place.label}</span>
                  <Count place={place} marks={marks} className={cn(slim && "absolute right-0 top-0")} />
                </Link>
              );
              return (
                <li key={place.path}>
                  {slim ? (
                    <Tooltip text={place.label} keys={place.keys} side="right">
                      {link}
                    </Tooltip>
                  ) : (
                    link
                  )}
                </li>
              );
            })}
          </ul>
        </div>
      ))}
    </nav>
  );
}

/** The bar at the foot of a phone's screen. */
export function TabBar() {
  const [more, setMore] = useState(false);
  const marks = useMarks();
  const tabs = PLACES.filter((place) => place.tab);
  const waiting = PLACES.some((place) => !place.tab && marks[place.path]);
  const item =
    "relative flex flex-1 flex-col items-center justify-center gap-0.5 text-2xs text-muted data-[status=active]:text-accent-text data-[status=active]:font-medium [&_svg]:size-5";
  return (
    <>
      <nav
        aria-label="Main pages"
        className="flex h-14 shrink-0 items-stretch border-t bg-surface pb-[env(safe-area-inset-bottom)] md:hidden"
      >
        {tabs.map((place) => (
          <Link
            key={place.path}
            to={place.path}
            activeOptions={{ exact: place.path === "/", includeSearch: false }}
            className={item}
          >
            <place.icon aria-hidden />
            {place.label}
            <Count place={place} marks={marks} className="absolute left-[calc(50%+6px)] top-1" />
          </Link>
        ))}
        <button type="button" className={item} onClick={() => setMore(true)} aria-haspopup="dialog">
          <Ellipsis aria-hidden />
          More
          {waiting ? (
            <span className="absolute left-[calc(50%+8px)] top-2 size-2 rounded-full bg-accent" aria-hidden />
          ) : null}
        </button>
      </nav>
      {more ? (
        <Suspense>
          <MoreSheet onClose={() => setMore(false)} />
        </Suspense>
      ) : null}
    </>
  );
}
