/** Buttons: with words, or with an icon and a name that is read out and shown as a tooltip. */
import type { ButtonHTMLAttributes, ReactNode, Ref } from "react";

import { cn } from "./cn";
import { Tooltip } from "./Tooltip";

export interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  variant?: "primary" | "secondary" | "ghost" | "danger";
  size?: "sm" | "md";
  icon?: ReactNode;
  /** Words while the action runs ("Stopping …"); the button is then off and says them. */
  busy?: string | false | undefined;
  ref?: Ref<HTMLButtonElement>;
}

const BASE =
  "inline-flex items-center justify-center gap-1.5 whitespace-nowrap rounded-md font-medium select-none transition-colors duration-100 " +
  "disabled:opacity-50 disabled:cursor-not-allowed aria-disabled:opacity-50 [&_svg]:size-[15px] [&_svg]:shrink-0";
const LOOK = {
  primary: "bg-accent text-accent-ink hover:bg-[color-mix(in_srgb,var(--accent)_88%,var(--fg))]",
  secondary: "bg-surface text-fg border border-line-strong hover:bg-hover",
  ghost: "text-muted hover:text-fg hover:bg-hover",
  danger:
    "text-bad border border-[color-mix(in_srgb,var(--bad)_40%,var(--line))] bg-surface hover:bg-bad-soft",
};
// Fingers want 40 px: below `md` every button has them.
const SIZE = { sm: "h-7 px-2.5 text-xs max-md:h-10", md: "h-8 px-3 text-sm max-md:h-10" };

/** The classes of a button, for links that look like one. */
export function buttonClass(
  variant: ButtonProps["variant"] = "secondary",
  size: ButtonProps["size"] = "md",
): string {
  return cn(BASE, LOOK[variant], SIZE[size]);
}

export function Button({
  variant = "secondary",
  size = "md",
  icon,
  busy,
  className,
  children,
  disabled,
  ...rest
}: ButtonProps) {
  return (
    <button
      type="button"
      className={cn(buttonClass(variant, size), className)}
      disabled={disabled || Boolean(busy)}
      aria-busy={busy ? true : undefined}
      {...rest}
    >
      {busy ? <span className="size-1.5 rounded-full bg-current animate-breathe" aria-hidden /> : icon}
      {busy ? busy : children}
    </button>
  );
}

export interface IconButtonProps extends Omit<ButtonProps, "children" | "icon" | "busy"> {
  /** The accessible name, shown as a tooltip too. */
  label: string;
  icon: ReactNode;
  /** Keys that do the same, shown in the tooltip: "g w". */
  keys?: string;
}

export function IconButton({
  label,
  icon,
  keys,
  variant = "ghost",
  size = "md",
  className,
  ...rest
}: IconButtonProps) {
  return (
    <Tooltip text={label} keys={keys}>
      <button
        type="button"
        aria-label={label}
        className={cn(
          BASE,
          LOOK[variant],
          size === "sm" ? "size-7 max-md:size-10" : "size-8 max-md:size-10",
          className,
        )}
        {...rest}
      >
        {icon}
      </button>
    </Tooltip>
  );
}
