/** Shows the toasts at the lower right (on phones above the tab bar); read out as they come. */
import { CircleCheck, Info, TriangleAlert, X } from "lucide-react";

import { Button, cn, IconButton, inWords } from "@/ui";

import { dismiss, holdToasts, useToasts } from "./toasts";

const ICON = { ok: CircleCheck, bad: TriangleAlert, info: Info };
const LOOK = { ok: "text-ok", bad: "text-bad", info: "text-info" };

export function Toaster() {
  const toasts = useToasts((state) => state.toasts);
  return (
    <div
      role="region"
      aria-label="Messages"
      aria-live="polite"
      onPointerEnter={() => holdToasts(true)}
      onPointerLeave={() => holdToasts(false)}
      onFocus={() => holdToasts(true)}
      onBlur={() => holdToasts(false)}
      className="pointer-events-none fixed inset-x-2 bottom-16 z-50 flex flex-col items-end gap-2 sm:inset-x-auto sm:right-4 sm:bottom-4"
    >
      {toasts.map((each) => {
        const Icon = ICON[each.tone];
        return (
          <div
            key={each.id}
            role={each.tone === "bad" ? "alert" : undefined}
            data-toast={each.tone}
            className="pointer-events-auto flex w-full max-w-sm items-start gap-2.5 rounded-lg border border-line-strong bg-overlay p-3 shadow-pop animate-rise sm:w-[26rem]"
          >
            <Icon className={cn("mt-0.5 size-4 shrink-0", LOOK[each.tone])} aria-hidden />
            <div className="min-w-0 flex-1 break-words">
              <p className="font-medium">{inWords(each.title)}</p>
              {each.remedy ? <p className="mt-0.5 text-muted">{inWords(each.remedy)}</p> : null}
              {each.action ? (
                <Button
                  size="sm"
                  className="mt-2"
                  onClick={() => {
                    dismiss(each.id);
                    each.action?.run();
                  }}
                >
                  {each.action.label}
                </Button>
              ) : null}
            </div>
            <IconButton
              label="Close the message"
              icon={<X />}
              size="sm"
              className="-m-1"
              onClick={() => dismiss(each.id)}
            />
          </div>
        );
      })}
    </div>
  );
}
