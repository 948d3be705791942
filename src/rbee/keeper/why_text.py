"""Why a request went where it went, in lines. Pure; for ``rbee why`` and ``rbee top``."""

import time

from rbee.contracts.why import Why, WhyCandidate, WhyStep
from rbee.keeper.units import UNKNOWN, count_text, duration_text, percent_text

_INDENT = "  "


def headline(found: Why) -> str:
    """``job-1 for starter, at 12:01:02: completed after 3.2 s``."""
    began = time.strftime("%H:%M:%S", time.localtime(found.started_at))
    text = f"{found.job_id} for {found.model}, at {began}: "
    if found.ended_at is None:
        return f"{text}running"
    return f"{text}{found.outcome} after {_span(found.ended_at - found.started_at)}"


def step_text(step: WhyStep, started_at: float) -> str:
    """``+0.4 s  routed   worker-1 on hive-1: …``."""
    line = f"+{_span(step.at - started_at):<7} {step.kind:<8} {step.message}"
    decision = step.decision
    if decision is None:
        return line
    facts = [f"attempt {decision.attempt}", f"waited {_span(decision.waited_s)}"]
    compared = count_text(len(decision.candidates), "worker")
    if decision.serving > len(decision.candidates):
        compared = f"{compared} compared of {decision.serving} that serve the model"
    else:
        compared = f"{compared} served the model"
    return f"{line}\n{_INDENT}{', '.join([*facts, compared])}; score: {decision.score_means}"


def candidate_row(candidate: WhyCandidate) -> tuple[str, ...]:
    """A candidate's cells: taken, worker, hive, slots, score, queue, GPU, note."""
    total = UNKNOWN if candidate.slots_total is None else str(candidate.slots_total)
    return (
        "→" if candidate.taken else "",
        candidate.worker_id,
        _place(candidate),
        f"{candidate.slots_in_use}/{total}",
        UNKNOWN if candidate.score is None else f"{candidate.score:g}",
        UNKNOWN if candidate.queued is None else str(candidate.queued),
        UNKNOWN if candidate.gpu_util_pct is None else percent_text(candidate.gpu_util_pct, 100),
        candidate.note or "",
    )


def _place(candidate: WhyCandidate) -> str:
    """``hive-1 (here)``, ``hive-2 (tunnel)``: on which machine, and how it was reached."""
    way = "here" if candidate.local else candidate.route
    return candidate.hive_id if way is None else f"{candidate.hive_id} ({way})"


def _span(seconds: float) -> str:
    """``12 ms``, ``2.5 s``: routing happens in milliseconds."""
    return f"{max(seconds, 0) * 1000:.0f} ms" if seconds < 1 else duration_text(seconds)
