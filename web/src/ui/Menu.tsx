/** A menu under a button: actions that are needed seldom; what is needed often is a button of its own. */
import { DropdownMenu as Radix } from "radix-ui";
import type { ReactNode } from "react";

import { cn } from "./cn";
import { Keys } from "./Keys";

export type MenuItem =
  | {
      label: ReactNode;
      icon?: ReactNode;
      onSelect: () => void;
      danger?: boolean;
      disabled?: boolean;
      keys?: string;
      /** Shown with a mark: one of several choices. */
      checked?: boolean;
    }
  | "separator"
  | { heading: string };

export function Menu({
  trigger,
  items,
  align = "end",
}: {
  trigger: ReactNode;
  items: readonly MenuItem[];
  align?: "start" | "end";
}) {
  return (
    <Radix.Root>
      <Radix.Trigger asChild>{trigger}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content
          align={align}
          sideOffset={4}
          collisionPadding={8}
          className="z-50 min-w-44 rounded-lg border border-line-strong bg-overlay p-1 shadow-pop animate-fade"
        >
          {items.map((item, at) => {
            if (item === "separator") return <Radix.Separator key={at} className="my-1 h-px bg-line" />;
            if ("heading" in item)
              return (
                <Radix.Label key={at} className="px-2 py-1 text-2xs font-medium text-faint">
                  {item.heading}
                </Radix.Label>
              );
            return (
              <Radix.Item
                key={at}
                disabled={item.disabled ?? false}
                onSelect={item.onSelect}
                className={cn(
                  "flex h-7 max-md:h-10 cursor-pointer items-center gap-2 rounded-md px-2 text-sm outline-none data-[highlighted]:bg-hover data-[disabled]:cursor-not-allowed data-[disabled]:opacity-50 [&_svg]:size-[15px]",
                  item.danger ? "text-bad" : "text-fg",
                )}
              >
                {item.icon}
                <span className="flex-1">{item.label}</span>
                {item.checked ? (
                  <span className="size-1.5 rounded-full bg-accent" role="img" aria-label="chosen" />
                ) : null}
                {item.keys ? <Keys keys={item.keys} /> : null}
              </Radix.Item>
            );
          })}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}
