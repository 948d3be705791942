/** The mark: a cell of the comb that is a bee's body too. The same drawing as public/favicon.svg. */
import { useId } from "react";

const CELL =
  "M14.5 2.1a3 3 0 0 1 3 0l9.6 5.5a3 3 0 0 1 1.5 2.6v11.6a3 3 0 0 1-1.5 2.6l-9.6 5.5a3 3 0 0 1-3 0l-9.6-5.5a3 3 0 0 1-1.5-2.6V10.2a3 3 0 0 1 1.5-2.6Z";

export function Mark({ className = "size-6" }: { className?: string }) {
  const id = useId();
  return (
    <svg viewBox="2 1 28 30" className={className} aria-hidden focusable="false">
      <clipPath id={id}>
        <path d={CELL} />
      </clipPath>
      <g clipPath={`url(#${id})`}>
        <path d="M0 0h32v32H0z" fill="var(--accent)" />
        <path
          d="M2 9.9 16 18l14-8.1M2 16.6l14 8.1 14-8.1"
          fill="none"
          stroke="var(--accent-ink)"
          strokeWidth="3.1"
          strokeLinejoin="round"
        />
      </g>
    </svg>
  );
}
