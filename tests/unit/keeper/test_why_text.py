"""What ``rbee why`` prints: how it ended, each step with its decision, a row a candidate."""

import msgspec

from rbee.contracts.why import Why, WhyCandidate, WhyDecision, WhyStep
from rbee.keeper.why_text import candidate_row, headline, step_text

CANDIDATE = WhyCandidate(
    worker_id="w1",
    hive_id="gaming-pc",
    taken=True,
    slots_in_use=1,
    slots_total=4,
    score=0.25,
    gpu_util_pct=41.0,
)
DECISION = WhyDecision(
    attempt=2,
    policy="least-loaded",
    worker_id="w1",
    hive_id="gaming-pc",
    waited_s=1.5,
    reason="the least loaded",
    score_means="share of slots in use; lower is better",
    serving=40,
    candidates=[CANDIDATE, CANDIDATE],
)
STEP = WhyStep(at=1_002.5, kind="routed", message="w1 on gaming-pc: …", decision=DECISION)
STORY = Why(
    job_id="job-1",
    model="starter",
    started_at=1_000.0,
    ended_at=1_004.0,
    outcome="completed",
    steps=[STEP],
)


def test_the_headline_says_how_it_ended_or_that_it_runs() -> None:
    assert headline(STORY).endswith("completed after 4.0 s")
    assert headline(STORY).startswith("job-1 for starter, at ")
    running = msgspec.structs.replace(STORY, ended_at=None, outcome=None)
    assert headline(running).endswith(": running")


def test_a_step_says_when_what_and_how_it_was_chosen() -> None:
    text = step_text(STEP, 1_000.0)
    assert text.startswith("+2.5 s")
    assert "attempt 2, waited 1.5 s, 2 workers compared of 40 that serve the model" in text
    assert "lower is better" in text
    assert step_text(STEP, 1_002.488).startswith("+12 ms ")
    lost = WhyStep(at=1_001.0, kind="lost", message="w0: it died")
    assert step_text(lost, 1_000.0) == "+1.0 s   lost     w0: it died"


def test_a_candidate_is_one_row_and_what_is_unknown_is_a_dash() -> None:
    assert candidate_row(CANDIDATE) == ("→", "w1", "gaming-pc", "1/4", "0.25", "-", "41 %", "")
    other = msgspec.structs.replace(
        CANDIDATE, taken=False, local=True, slots_total=None, score=None, note="no free slot"
    )
    assert candidate_row(other) == (
        "", "w1", "gaming-pc (here)", "1/-", "-", "-", "41 %", "no free slot",
    )  # fmt: skip
