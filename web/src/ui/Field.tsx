/** Form fields: a label, a hint, an error, and the inputs that take them by context. */
import { ChevronDown, Search, X } from "lucide-react";
import {
  createContext,
  useContext,
  useEffect,
  useId,
  useRef,
  useState,
  type InputHTMLAttributes,
  type ReactNode,
  type Ref,
  type SelectHTMLAttributes,
  type TextareaHTMLAttributes,
} from "react";

import { cn } from "./cn";

interface FieldIds {
  id: string;
  describedBy: string | undefined;
  invalid: boolean;
}
const FieldContext = createContext<FieldIds | null>(null);

export interface FieldProps {
  label: ReactNode;
  hint?: ReactNode;
  error?: ReactNode;
  /** The label is read out but not shown. */
  hideLabel?: boolean;
  className?: string;
  children: ReactNode;
}

/** Around one input: gives it its label, its hint and its error. */
export function Field({ label, hint, error, hideLabel, className, children }: FieldProps) {
  const id = useId();
  const note = error ?? hint;
  return (
    <FieldContext value={{ id, describedBy: note ? `${id}-note` : undefined, invalid: Boolean(error) }}>
      <div className={cn("flex min-w-0 flex-col gap-1", className)}>
        <label htmlFor={id} className={cn("text-xs font-medium text-muted", hideLabel && "sr-only")}>
          {label}
        </label>
        {children}
        {note ? (
          <p id={`${id}-note`} className={cn("text-xs", error ? "text-bad" : "text-faint")}>
            {note}
          </p>
        ) : null}
      </div>
    </FieldContext>
  );
}

function useField() {
  const field = useContext(FieldContext);
  if (!field) return {};
  return {
    id: field.id,
    "aria-describedby": field.describedBy,
    "aria-invalid": field.invalid ? (true as const) : undefined,
  };
}

const BOX =
  "w-full min-w-0 rounded-md border border-line-strong bg-bg px-2.5 text-sm text-fg transition-colors hover:border-faint " +
  "focus-visible:outline-offset-0 aria-invalid:border-bad disabled:opacity-50 disabled:cursor-not-allowed";

export function Input({
  className,
  mono,
  ...rest
}: InputHTMLAttributes<HTMLInputElement> & { mono?: boolean; ref?: Ref<HTMLInputElement> }) {
  return (
    <input
      {...useField()}
      className={cn(BOX, "h-8 max-md:h-10", mono && "font-mono text-xs", className)}
      spellCheck={false}
      autoComplete="off"
      {...rest}
    />
  );
}

export function Textarea({
  className,
  mono,
  ...rest
}: TextareaHTMLAttributes<HTMLTextAreaElement> & { mono?: boolean; ref?: Ref<HTMLTextAreaElement> }) {
  return (
    <textarea
      {...useField()}
      className={cn(BOX, "min-h-16 py-1.5", mono && "font-mono text-xs", className)}
      {...rest}
    />
  );
}

export interface SelectOption {
  value: string;
  label: string;
  disabled?: boolean;
}
export interface SelectProps extends Omit<SelectHTMLAttributes<HTMLSelectElement>, "onChange" | "value"> {
  value: string;
  onChange: (value: string) => void;
  options: readonly SelectOption[];
  /** The accessible name where no Field is around it. */
  label?: string;
}

/** The browser's own select: quick, known to all fingers and screen readers, right on phones. */
export function Select({ value, onChange, options, label, className, ...rest }: SelectProps) {
  return (
    <span className={cn("relative inline-flex w-full min-w-0", className)}>
      <select
        {...useField()}
        aria-label={label}
        value={value}
        onChange={(event) => onChange(event.target.value)}
        className={cn(BOX, "h-8 appearance-none truncate pr-7 max-md:h-10")}
        {...rest}
      >
        {options.map((option) => (
          <option
            key={option.value}
            value={option.value}
            disabled={option.disabled}
            className="bg-overlay text-fg"
          >
            {option.label}
          </option>
        ))}
      </select>
      <ChevronDown
        className="pointer-events-none absolute right-2 top-1/2 size-4 -translate-y-1/2 text-faint"
        aria-hidden
      />
    </span>
  );
}

export interface SearchInputProps {
  value: string;
  onChange: (value: string) => void;
  /** The accessible name and, with "…", the placeholder. */
  label: string;
  className?: string;
  ref?: Ref<HTMLInputElement>;
}

/**
 * What stands in the field, at once; the page's `value` follows when the address has changed. Given back by
 * the page alone, letters that come quickly would be lost between two answers.
 */
function useTyped(value: string, onChange: (value: string) => void) {
  const [typed, setTyped] = useState(value);
  const sent = useRef<string | null>(null);
  useEffect(() => {
    // An answer to an earlier letter is not the last word.
    if (sent.current !== null && sent.current !== value) return;
    sent.current = null;
    setTyped(value);
  }, [value]);
  const type = (text: string) => {
    sent.current = text === value ? null : text;
    setTyped(text);
    onChange(text);
  };
  return [typed, type] as const;
}

/** The filter of a list; Esc empties it, "/" focuses the one on the page (app/shortcuts). */
export function SearchInput({ value, onChange, label, className, ref }: SearchInputProps) {
  const [typed, type] = useTyped(value, onChange);
  return (
    <span className={cn("relative inline-flex w-full min-w-0 sm:w-64", className)}>
      <Search
        className="pointer-events-none absolute left-2.5 top-1/2 size-4 -translate-y-1/2 text-faint"
        aria-hidden
      />
      <input
        ref={ref}
        type="search"
        data-search=""
        aria-label={label}
        placeholder={`${label} …`}
        value={typed}
        onChange={(event) => type(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape" && typed) {
            event.stopPropagation();
            type("");
          }
        }}
        className={cn(BOX, "h-8 px-8 max-md:h-10 [&::-webkit-search-cancel-button]:hidden")}
        spellCheck={false}
        autoComplete="off"
      />
      {typed ? (
        <button
          type="button"
          aria-label="Empty the filter"
          onClick={() => type("")}
          className="absolute right-1 top-1/2 grid size-6 -translate-y-1/2 place-items-center rounded-sm text-faint hover:text-fg"
        >
          <X className="size-3.5" aria-hidden />
        </button>
      ) : null}
    </span>
  );
}
