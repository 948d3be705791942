"""The ledger: every candidate and every turn of a request's way, worded when asked."""

import msgspec
import pytest

from rbee.contracts.why import Why
from rbee.errors import JobNotFound
from rbee.queen.inference.call import Call
from rbee.queen.inference.ledger import STEPS_MAX, Ledger
from rbee.queen.inference.router import Router
from rbee.queen.inference.routing import Choice
from rbee.queen.registry.colony import Colony
from rbee.queen.routing_settings import Rules
from rbee.testing.raw_worker import beat, ready_worker


def choice_of(count: int, running: dict[str, int], rules: Rules | None = None) -> Choice:
    colony = Colony()
    workers = [ready_worker(f"w{n}", 9001 + n, slots=2) for n in range(count)]
    colony.beat(beat(workers, at=2.0), 2.0)
    call = Call(job_id="j", model="m", path="/v1/completions", body=b"{}", stream=True)
    found = Router(colony, rules).choose("m", call, running)
    assert found is not None
    return found


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def ledger(jobs_max: int = 100) -> Ledger:
    return Ledger(jobs_max=jobs_max, clock=Clock())


def kinds(why: Why) -> list[str]:
    return [step.kind for step in why.steps]


def test_every_candidate_is_shown_with_its_load_and_why_it_was_none() -> None:
    kept = ledger()
    kept.admitted("j", "alias", choice_of(3, {"w0": 2, "w1": 1}), 0.25, 1)
    (step,) = kept.why("j").steps
    assert step.decision is not None
    shown = {one.worker_id: one for one in step.decision.candidates}
    assert {
        key: (one.taken, one.slots_in_use, one.score, one.note) for key, one in shown.items()
    } == {
        "w0": (False, 2, 1.0, "no free slot"),
        "w1": (False, 1, 0.5, None),
        "w2": (True, 0, 0.0, None),
    }
    assert (step.decision.policy, step.decision.waited_s) == ("least-loaded", 0.25)
    assert "w2 on hive" in step.message


def test_of_many_workers_those_compared_are_shown_and_all_are_counted() -> None:
    kept = ledger()
    kept.admitted("j", "m", choice_of(40, {}), 0.0, 1)
    decision = kept.why("j").steps[0].decision
    assert decision is not None
    assert (len(decision.candidates), decision.serving) == (2, 40)
    assert sum(one.taken for one in decision.candidates) == 1


def test_scores_are_what_the_policy_compared() -> None:
    kept = ledger()
    kept.admitted("j", "m", choice_of(2, {}, Rules(default="weighted")), 0.0, 1)
    decision = kept.why("j").steps[0].decision
    assert decision is not None
    assert decision.score_means.startswith("weight")
    assert [one.score for one in decision.candidates] == [2.0, 2.0]


def test_the_whole_way_in_order() -> None:
    kept = ledger()
    kept.placed("m", ["long before"])
    kept.waiting("j", "m", "no worker has this model yet")
    kept.waiting("j", "m", "no worker has this model yet")
    kept.placed("M", ["hive one", "it is on disk"])
    kept.waiting("j", "m", "the model is loading")
    kept.admitted("j", "m", choice_of(1, {}), 4.5, 1)
    kept.placed("m", ["for somebody else"])
    kept.lost("j", "w0", "the connection was reset; the answer is continued")
    kept.admitted("j", "m", choice_of(2, {"w0": 1}), 0.0, 2)
    running = kept.why("j")
    assert (running.outcome, running.ended_at) == (None, None)
    kept.ended("j", "completed")
    why = kept.why("j")
    assert kinds(why) == [
        "waiting", "placed", "waiting", "routed", "placed", "lost", "routed", "ended",
    ]  # fmt: skip
    assert why.steps[1].message == "hive one; it is on disk"
    assert (why.outcome, why.model) == ("completed", "m")
    assert why.ended_at is not None
    assert [step.at for step in why.steps] == sorted(step.at for step in why.steps)


def test_the_oldest_jobs_are_forgotten_and_unknown_ones_say_so() -> None:
    book = ledger(jobs_max=3)
    for n in range(5):
        book.admitted(f"j{n}", "m", choice_of(1, {}), 0.0, 1)
    assert book.kept == 3
    assert book.why("j4").steps
    for gone in ("j0", "never"):
        with pytest.raises(JobNotFound, match=gone):
            book.why(gone)
    book.lost("never", "w", "x")
    book.ended("never", "x")
    assert book.kept == 3


def test_one_request_keeps_a_bounded_number_of_steps() -> None:
    kept = ledger()
    for n in range(STEPS_MAX * 3):
        kept.waiting("j", "m", f"reason {n}")
    assert len(kept.why("j").steps) == STEPS_MAX


def test_no_key_is_told() -> None:
    kept = ledger()
    kept.admitted("j", "m", choice_of(3, {}), 0.0, 1)
    assert b"secret" not in msgspec.json.encode(kept.why("j"))
