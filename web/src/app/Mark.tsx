/** The mark: a cell of the comb with a bee's stripes. The same drawing as public/favicon.svg. */
export function Mark({ className = "size-6" }: { className?: string }) {
  return (
    <svg viewBox="0 0 32 32" className={className} aria-hidden focusable="false">
      <path
        d="M16 3 27 9.4v13.2L16 29 5 22.6V9.4Z"
        fill="var(--accent)"
        stroke="var(--accent)"
        strokeWidth="3"
        strokeLinejoin="round"
      />
      <path
        d="M10.2 13.2h11.6M10.2 18.8h11.6"
        stroke="var(--accent-ink)"
        strokeWidth="3"
        strokeLinecap="round"
      />
      <path
        d="M13.2 8.2 16 9.8l2.8-1.6"
        stroke="var(--accent-ink)"
        strokeWidth="1.8"
        strokeLinecap="round"
        strokeLinejoin="round"
        fill="none"
      />
      <path d="M14.6 23.8h2.8" stroke="var(--accent-ink)" strokeWidth="2.6" strokeLinecap="round" />
    </svg>
  );
}
