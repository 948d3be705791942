/** A part of the detail: a quiet heading, and what stands under it. */
import { useId, type ReactNode } from "react";

export function Section({ title, note, children }: { title: string; note?: ReactNode; children: ReactNode }) {
  const id = useId();
  return (
    <section aria-labelledby={id} className="min-w-0">
      <h3 id={id} className="mb-2 flex items-baseline gap-2 text-sm font-semibold">
        {title}
        {note ? <span className="text-xs font-normal text-faint num">{note}</span> : null}
      </h3>
      {children}
    </section>
  );
}
