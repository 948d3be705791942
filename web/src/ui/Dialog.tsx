/** A dialog in the middle, and a sheet from the right for details; both by radix: focus kept, Esc closes. */
import { X } from "lucide-react";
import { Dialog as Radix } from "radix-ui";
import type { ReactNode } from "react";

import { IconButton } from "./Button";
import { cn } from "./cn";

export interface DialogProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: ReactNode;
  /** One line under the title; also what a screen reader says on opening. */
  description?: ReactNode;
  children?: ReactNode;
  /** Buttons, at the right of the foot. */
  footer?: ReactNode;
  wide?: boolean;
  /** Only its buttons close it: what it shows cannot be had again. */
  keep?: boolean;
}

/** The first field that one writes in takes the focus, else the dialog itself: never the close button, whose tooltip would open. */
function focusContent(event: Event): void {
  event.preventDefault();
  const content = event.currentTarget as HTMLElement;
  const field =
    content.querySelector<HTMLElement>("[data-autofocus]") ??
    content.querySelector<HTMLElement>(
      "[data-dialog-body] :is(input:not([type=hidden]),textarea):not(:disabled)",
    );
  (field ?? content).focus({ preventScroll: true });
}

/** A press on a message above the dialog (app/Toaster) is meant for that message. */
function stayForMessages(event: CustomEvent<{ originalEvent: Event }>): void {
  const { target } = event.detail.originalEvent;
  // Told after the press: a message that was closed by it is out of the page by now, with its own mark.
  if (target instanceof Element && target.closest("[data-toast]")) event.preventDefault();
}

const stay = (event: Event): void => event.preventDefault();

const SHADE = "fixed inset-0 z-40 bg-shade animate-fade";

function Head({
  title,
  description,
  actions,
}: {
  title: ReactNode;
  description?: ReactNode;
  actions?: ReactNode;
}) {
  return (
    <header className="flex items-start gap-3 border-b px-4 py-3">
      <div className="min-w-0 flex-1">
        <Radix.Title className="truncate text-base font-semibold">{title}</Radix.Title>
        {description ? (
          <Radix.Description className="mt-0.5 text-xs text-muted">{description}</Radix.Description>
        ) : null}
      </div>
      {actions}
      <Radix.Close asChild>
        <IconButton label="Close" icon={<X />} size="sm" className="-mr-1.5" />
      </Radix.Close>
    </header>
  );
}

export function Dialog({
  open,
  onOpenChange,
  title,
  description,
  children,
  footer,
  wide,
  keep,
}: DialogProps) {
  return (
    <Radix.Root open={open} onOpenChange={onOpenChange}>
      <Radix.Portal>
        <Radix.Overlay className={SHADE} />
        <Radix.Content
          onOpenAutoFocus={focusContent}
          onInteractOutside={keep ? stay : stayForMessages}
          {...(keep ? { onEscapeKeyDown: stay } : {})}
          {...(description ? {} : { "aria-describedby": undefined })}
          className={cn(
            "fixed z-40 flex max-h-[88dvh] flex-col rounded-xl border border-line-strong bg-overlay shadow-pop animate-rise focus:outline-none",
            "inset-x-2 bottom-2 sm:inset-x-auto sm:bottom-auto sm:left-1/2 sm:top-[8dvh] sm:-translate-x-1/2",
            wide ? "sm:w-[min(860px,94vw)]" : "sm:w-[min(520px,94vw)]",
          )}
        >
          <Head title={title} description={description} />
          <div data-dialog-body="" className="min-h-0 flex-1 overflow-auto p-4">
            {children}
          </div>
          {footer ? (
            <footer className="flex flex-wrap justify-end gap-2 border-t px-4 py-3">{footer}</footer>
          ) : null}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

export interface SheetProps extends Omit<DialogProps, "wide" | "keep"> {
  /** Buttons in the head, beside the close button. */
  actions?: ReactNode;
  wide?: boolean;
  /** The side it slides in from. */
  side?: "right" | "left";
}

/** A drawer from the side; at 390 px it takes the whole width. */
export function Sheet({
  open,
  onOpenChange,
  title,
  description,
  children,
  footer,
  actions,
  wide,
  side = "right",
}: SheetProps) {
  return (
    <Radix.Root open={open} onOpenChange={onOpenChange}>
      <Radix.Portal>
        <Radix.Overlay className={SHADE} />
        <Radix.Content
          onOpenAutoFocus={focusContent}
          onInteractOutside={stayForMessages}
          {...(description ? {} : { "aria-describedby": undefined })}
          className={cn(
            "fixed inset-y-0 z-40 flex w-full flex-col border-line-strong bg-overlay shadow-pop focus:outline-none",
            side === "right" ? "right-0 border-l animate-slide-left" : "left-0 border-r animate-slide-right",
            wide ? "sm:w-[min(880px,92vw)]" : "sm:w-[min(560px,92vw)]",
          )}
        >
          <Head title={title} description={description} actions={actions} />
          <div data-dialog-body="" className="min-h-0 flex-1 overflow-auto p-4">
            {children}
          </div>
          {footer ? (
            <footer className="flex flex-wrap justify-end gap-2 border-t px-4 py-3">{footer}</footer>
          ) : null}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}
