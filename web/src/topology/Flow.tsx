/**
 * A line between two things, and what flows along it: the more tokens a second, the quicker.
 *
 * The dashes move in steps, ten times a second: smooth enough, and a page that shows the colony
 * does not keep the machine busy that runs it.
 */
const DURATION_S = [0, 2.4, 1.4, 0.8] as const;
const WIDTH = [1.25, 1.75, 2.25, 3] as const;

export interface FlowProps {
  d: string;
  flow: 0 | 1 | 2 | 3;
  /** Through the hive's link: a tunnel, not a way of its own. */
  dashed?: boolean;
  broken?: boolean;
}

export function Flow({ d, flow, dashed = false, broken = false }: FlowProps) {
  const seconds = DURATION_S[flow];
  return (
    <>
      <path
        d={d}
        fill="none"
        stroke={broken ? "var(--bad)" : "var(--line-strong)"}
        strokeOpacity={broken ? 0.6 : 1}
        strokeWidth={WIDTH[flow]}
        strokeDasharray={broken ? "2 5" : dashed ? "5 4" : undefined}
      />
      {flow > 0 ? (
        <path
          d={d}
          fill="none"
          stroke="var(--accent)"
          strokeWidth={WIDTH[flow]}
          strokeLinecap="round"
          strokeDasharray="7 17"
          style={{ animation: `topology-flow ${seconds}s steps(${Math.round(seconds * 10)}) infinite` }}
        />
      ) : null}
    </>
  );
}
