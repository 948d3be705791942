/** Choices: switch, checkbox, tabs, and a segmented control for two to five ways to look at one thing. */
import { Check } from "lucide-react";
import { Checkbox as RadixCheckbox, Switch as RadixSwitch, Tabs as RadixTabs, ToggleGroup } from "radix-ui";
import { useId, type ReactNode } from "react";

import { cn } from "./cn";

export interface SwitchProps {
  checked: boolean;
  onChange: (checked: boolean) => void;
  label: ReactNode;
  hint?: ReactNode;
  disabled?: boolean;
}

export function Switch({ checked, onChange, label, hint, disabled }: SwitchProps) {
  const id = useId();
  return (
    <div className="flex items-start gap-2.5">
      <RadixSwitch.Root
        id={id}
        checked={checked}
        onCheckedChange={onChange}
        disabled={disabled}
        className="relative mt-px h-[18px] w-8 shrink-0 rounded-full border border-line-strong bg-raised transition-colors data-[state=checked]:border-accent data-[state=checked]:bg-accent disabled:opacity-50"
      >
        <RadixSwitch.Thumb className="block size-3 translate-x-0.5 rounded-full bg-muted transition-transform data-[state=checked]:translate-x-4 data-[state=checked]:bg-accent-ink" />
      </RadixSwitch.Root>
      <label htmlFor={id} className="min-w-0 text-sm">
        {label}
        {hint ? <span className="block text-xs text-faint">{hint}</span> : null}
      </label>
    </div>
  );
}

export function Checkbox({ checked, onChange, label, hint, disabled }: SwitchProps) {
  const id = useId();
  return (
    <div className="flex items-start gap-2">
      <RadixCheckbox.Root
        id={id}
        checked={checked}
        onCheckedChange={(state) => onChange(state === true)}
        disabled={disabled}
        className="mt-0.5 grid size-4 shrink-0 place-items-center rounded-sm border border-line-strong bg-bg data-[state=checked]:border-accent data-[state=checked]:bg-accent disabled:opacity-50"
      >
        <RadixCheckbox.Indicator>
          <Check className="size-3 text-accent-ink" strokeWidth={3} aria-hidden />
        </RadixCheckbox.Indicator>
      </RadixCheckbox.Root>
      <label htmlFor={id} className="min-w-0 text-sm">
        {label}
        {hint ? <span className="block text-xs text-faint">{hint}</span> : null}
      </label>
    </div>
  );
}

export interface TabsProps {
  value: string;
  onChange: (value: string) => void;
  label: string;
  /** `panel` is made only for the tab that shows. */
  tabs: readonly { value: string; label: ReactNode; panel: ReactNode }[];
  className?: string;
}

export function Tabs({ value, onChange, label, tabs, className }: TabsProps) {
  return (
    <RadixTabs.Root value={value} onValueChange={onChange} className={cn("flex min-h-0 flex-col", className)}>
      <RadixTabs.List aria-label={label} className="flex gap-4 overflow-x-auto border-b">
        {tabs.map((tab) => (
          <RadixTabs.Trigger
            key={tab.value}
            value={tab.value}
            className="-mb-px h-9 whitespace-nowrap max-md:h-10 border-b-2 border-transparent text-sm font-medium text-muted hover:text-fg data-[state=active]:border-accent data-[state=active]:text-fg focus-visible:-outline-offset-2"
          >
            {tab.label}
          </RadixTabs.Trigger>
        ))}
      </RadixTabs.List>
      {tabs.map((tab) => (
        <RadixTabs.Content
          key={tab.value}
          value={tab.value}
          className="min-h-0 flex-1 pt-3 focus-visible:outline-offset-2"
        >
          {tab.panel}
        </RadixTabs.Content>
      ))}
    </RadixTabs.Root>
  );
}

export interface SegmentedProps<V extends string> {
  value: V;
  onChange: (value: V) => void;
  label: string;
  options: readonly { value: V; label: ReactNode; title?: string }[];
  className?: string;
}

/** Radix reads "" as "nothing is chosen"; a choice may well be called that ("all"). */
const NO_NAME = "\u200b";

export function Segmented<V extends string>({
  value,
  onChange,
  label,
  options,
  className,
}: SegmentedProps<V>) {
  return (
    <ToggleGroup.Root
      type="single"
      value={value || NO_NAME}
      onValueChange={(next) => next && onChange((next === NO_NAME ? "" : next) as V)}
      aria-label={label}
      className={cn(
        "inline-flex h-7 shrink-0 items-stretch rounded-md border bg-raised p-0.5 max-md:h-10 max-md:p-px",
        className,
      )}
    >
      {options.map((option) => (
        <ToggleGroup.Item
          key={option.value}
          value={option.value || NO_NAME}
          aria-label={option.title}
          title={option.title}
          className="inline-flex items-center gap-1 rounded-sm px-2 text-xs font-medium max-md:px-2.5 text-muted hover:text-fg data-[state=on]:bg-surface data-[state=on]:text-fg data-[state=on]:shadow-[0_0_0_1px_var(--line-strong)] [&_svg]:size-3.5"
        >
          {option.label}
        </ToggleGroup.Item>
      ))}
    </ToggleGroup.Root>
  );
}
