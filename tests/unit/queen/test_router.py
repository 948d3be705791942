"""The router: every policy, circuits, and the one promise: a free slot is found."""

from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbee.queen.inference.breaker import FAILURES_MAX, PAUSE_FIRST_S
from rbee.queen.inference.router import FEW
from rbee.queen.inference.routing import Choice, choose
from rbee.queen.routing_settings import PolicyName, Rules
from rbee.testing.raw_worker import ready_worker
from unit.queen.router_stand import Stand, call, remote, workers

POLICIES: tuple[PolicyName, ...] = (
    "least-loaded",
    "round-robin",
    "weighted",
    "latency-aware",
    "prefix-affinity",
    "session-affinity",
    "local-first",
)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("count", [1, 3, FEW + 1, 60])
def test_every_slot_is_found_under_every_policy(policy: PolicyName, count: int) -> None:
    stand = Stand(*workers(count, slots=2), rules=Rules(default=policy))
    asked = call(session="s", body=b"x" * 3000)
    taken = [stand.take(asked) for _ in range(count * 2)]
    assert all(choice is not None for choice in taken)
    assert set(stand.running.values()) == {2}
    assert stand.take(asked) is None
    for choice in taken[::3]:
        assert choice is not None
        stand.give(choice)
        again = stand.take(asked)
        assert again is not None
        assert again.worker.worker_id == choice.worker.worker_id


class Step(msgspec.Struct, frozen=True):
    what: str
    number: int


steps = st.lists(
    st.builds(Step, st.sampled_from(["take", "give", "beat", "leave", "fail"]), st.integers(0, 30)),
    max_size=60,
)


@given(steps, st.sampled_from(POLICIES), st.integers(1, 24))
def test_a_free_slot_is_found_whatever_happened_before(
    script: list[Step], policy: PolicyName, count: int
) -> None:
    stand = Stand(*workers(count, slots=2), rules=Rules(default=policy))
    here = list(range(count))
    held: list[Choice] = []
    for step in script:
        match step.what:
            case "take":
                choice = stand.take(call(session=str(step.number), body=b"y" * 2048))
                free = [n for n in here if stand.running.get(f"w{n}", 0) < 2]
                if choice is not None:
                    held.append(choice)
                    assert stand.running[choice.worker.worker_id] <= 2
                elif not stand.router.set_aside("m"):
                    assert not free
            case "give" if held:
                stand.give(held.pop(step.number % len(held)))
            case "leave" if here:
                here.pop(step.number % len(here))
                stand.beat(*(ready_worker(f"w{n}", 9001, slots=2) for n in here))
            case "beat":
                here = sorted({*here, step.number})
                stand.beat(*(ready_worker(f"w{n}", 9001, slots=2) for n in here))
            case "fail":
                stand.fail(f"w{step.number}", FAILURES_MAX)
            case _:
                pass


def test_many_workers_are_loaded_evenly_by_two_choices() -> None:
    stand = Stand(*workers(100, slots=10))
    for _ in range(500):
        stand.take()
    assert max(stand.running.values()) <= 8
    assert len(stand.running) >= 95


def test_the_same_history_gives_the_same_choices() -> None:
    def run() -> list[str]:
        stand = Stand(*workers(50, slots=4), rules=Rules(default="weighted"))
        taken = [stand.take() for _ in range(100)]
        return [choice.worker.worker_id for choice in taken if choice is not None]

    assert run() == run()


def test_round_robin_takes_everybody_in_turn() -> None:
    stand = Stand(*workers(20, slots=4), rules=Rules(default="round-robin"))
    assert Counter(stand.once() for _ in range(60)) == {f"w{n}": 3 for n in range(20)}


def test_weights_give_hives_their_share() -> None:
    stand = Stand(rules=Rules(default="weighted", weights={"big": 3.0}))
    stand.beat(*remote("a"), hive="big", far=True)
    stand.beat(*remote("b"), hive="small", far=True)
    shares = Counter(stand.once() for _ in range(4000))
    assert 0.70 < shares["a"] / 4000 < 0.80


def test_a_busy_gpu_and_a_long_way_weigh_less() -> None:
    stand = Stand(rules=Rules(default="weighted"))
    hot = msgspec.structs.replace(remote("hot")[0], gpu_util_pct=100.0)
    stand.beat(hot, hive="one", far=True)
    stand.beat(*remote("cool"), hive="two", far=True)
    shares = Counter(stand.once() for _ in range(3000))
    assert 0.60 < shares["cool"] / 3000 < 0.73
    for _ in range(5):
        stand.router.connected("two", 0.15)
    shares = Counter(stand.once() for _ in range(3000))
    assert shares["cool"] < shares["hot"]


def test_the_way_to_a_hive_is_believed_at_once_when_shorter_and_slowly_when_longer() -> None:
    stand = Stand()
    stand.beat(*remote("a", slots=4), hive="one", far=True)
    stand.beat(*remote("b", slots=4), hive="two", far=True)
    for hive in ("one", "two"):
        stand.router.connected(hive, 0.001)
    stand.router.connected("one", 0.1)  # one late connection: the queen's own loop, most likely
    assert {stand.once() for _ in range(4)} == {"a", "b"}
    for _ in range(20):
        stand.router.connected("one", 0.1)
    assert {stand.once() for _ in range(4)} == {"b"}
    stand.router.connected("one", 0.001)
    assert {stand.once() for _ in range(4)} == {"a", "b"}


def test_latency_aware_goes_where_the_first_byte_comes_soonest_and_tries_the_unknown() -> None:
    stand = Stand(*workers(2, slots=4), rules=Rules(default="latency-aware"))
    stand.went_well("w0", 0.5)
    assert stand.once() == "w1"
    stand.went_well("w1", 0.1)
    assert {stand.once() for _ in range(5)} == {"w1"}
    stand.now += 600.0  # long ago: worth another look
    stand.went_well("w1", 0.1)
    assert stand.once() == "w0"


def test_local_first_leaves_this_machine_only_when_it_is_full() -> None:
    stand = Stand(rules=Rules(default="local-first"))
    stand.beat(ready_worker("here", 9001, slots=2))
    for n in range(12):
        stand.beat(*remote(f"far{n}", slots=2), hive=f"h{n}", far=True)
    first, second, third = stand.take(), stand.take(), stand.take()
    assert first is not None
    assert second is not None
    assert third is not None
    assert [first.worker.worker_id, second.worker.worker_id] == ["here", "here"]
    assert third.worker.worker_id != "here"


def test_a_hives_name_is_a_wish_and_labels_are_an_order() -> None:
    stand = Stand()
    for hive, labels in (("eu1", "eu"), ("eu2", "eu big"), ("us", "")):
        stand.beat(*remote(f"at-{hive}"), hive=hive, far=True, labels=labels)
    assert stand.once(call(hive_id="us")) == "at-us"
    taken = stand.take(call(hive_id="us"))
    assert taken is not None
    assert stand.once(call(hive_id="us")) in {"at-eu1", "at-eu2"}
    eu = frozenset({"eu"})
    assert {stand.once(call(labels=eu)) for _ in range(6)} == {"at-eu1", "at-eu2"}
    assert stand.once(call(labels=eu, hive_id="eu2")) == "at-eu2"
    assert stand.once(call(labels=frozenset({"eu", "big"}))) == "at-eu2"
    assert stand.once(call(labels=frozenset({"moon"}))) is None


def test_a_model_may_prefer_labels_and_have_a_policy_of_its_own() -> None:
    rules = Rules(models={"m": "round-robin"}, prefer={"m": frozenset({"gpu"})})
    stand = Stand(rules=rules)
    stand.beat(*remote("wa"), hive="a", far=True, labels="gpu")
    stand.beat(*remote("wb"), hive="b", far=True)
    assert {stand.once() for _ in range(4)} == {"wa"}
    assert stand.take() is not None
    assert stand.once() == "wb"
    assert stand.once(call(labels=frozenset({"gpu"}))) is None
    policies = stand.router.policy_of("m"), stand.router.policy_of("n")
    assert policies == ("round-robin", "least-loaded")


def test_a_hive_that_changes_its_labels_is_seen_at_once() -> None:
    stand = Stand()
    stand.beat(*remote("w"), hive="h", far=True)
    asked = call(labels=frozenset({"gpu"}))
    assert stand.once(asked) is None
    stand.beat(*remote("w"), hive="h", far=True, labels="gpu")
    assert stand.once(asked) == "w"


def test_a_named_worker_is_an_order() -> None:
    stand = Stand(*workers(3))
    assert stand.take(call(worker_id="w2")) is not None
    assert stand.take(call(worker_id="w2")) is None
    assert stand.take(call(worker_id="nobody")) is None


def test_failures_in_a_row_set_a_worker_aside_and_one_good_answer_brings_it_back() -> None:
    stand = Stand(*workers(2, slots=8))
    stand.fail("w0", FAILURES_MAX - 1)
    stand.went_well("w0")
    stand.fail("w0", FAILURES_MAX - 1)
    assert {stand.once() for _ in range(4)} == {"w0", "w1"}
    stand.fail("w0")
    assert {stand.once() for _ in range(6)} == {"w1"}
    ((worker_id, reason),) = stand.router.set_aside("m")
    assert (worker_id, "failures in a row" in reason) == ("w0", True)
    stand.now += PAUSE_FIRST_S + 0.1
    tries = [stand.once() for _ in range(6)]
    assert tries.count("w0") == 1  # half open: one request finds out
    stand.went_well("w0")
    assert {stand.once() for _ in range(6)} == {"w0", "w1"}
    assert stand.router.set_aside("m") == []


def test_a_failed_try_makes_the_pause_longer() -> None:
    stand = Stand(*workers(2, slots=8))
    stand.fail("w0", FAILURES_MAX)
    pauses: list[float] = []
    for _ in range(3):
        began = stand.now
        while "w0" not in {stand.once() for _ in range(4)}:
            stand.now += 0.25
        pauses.append(stand.now - began)
        stand.fail("w0")
    assert pauses[0] < pauses[1] < pauses[2]


def test_unknown_is_not_dead_the_only_worker_is_used_although_set_aside() -> None:
    stand = Stand(*workers(1, slots=4))
    stand.fail("w0", FAILURES_MAX)
    choice = stand.take()
    assert choice is not None
    assert [name for name, _ in choice.aside] == ["w0"]


def test_a_newer_process_starts_with_a_clean_sheet() -> None:
    stand = Stand(*workers(2, slots=4))
    stand.fail("w0", FAILURES_MAX)
    newer = msgspec.structs.replace(ready_worker("w0", 9001, slots=4), generation=2)
    stand.beat(newer, ready_worker("w1", 9002, slots=4))
    assert {stand.once() for _ in range(4)} == {"w0", "w1"}


def test_few_workers_are_all_kept_for_the_why_and_of_many_those_compared() -> None:
    few = Stand(*workers(3)).take()
    many = Stand(*workers(100)).take()
    assert few is not None
    assert many is not None
    assert (len(few.considered), few.candidates) == (3, 3)
    assert (len(many.considered), many.candidates) == (2, 100)
    assert "2 of 100 workers compared" in many.why
    assert few.busy == (0, 0, 0)
    assert few.why.startswith("0 of 1 slots in use")


def test_a_slot_given_back_without_a_word_is_found_after_a_second() -> None:
    stand = Stand(*workers(1))
    assert stand.take() is not None
    assert stand.take() is None
    stand.running.clear()
    stand.now += 1.1
    assert stand.take() is not None


@given(
    st.lists(
        st.tuples(
            st.integers(1, 4), st.integers(0, 3), st.integers(0, 1), st.sampled_from([0, 50])
        ),
        min_size=1,
        max_size=FEW,
    )
)
def test_few_workers_are_ranked_as_the_pure_function_says(
    facts: list[tuple[int, int, int, int]],
) -> None:
    offered = [
        msgspec.structs.replace(
            ready_worker(f"w{n}", 9001 + n, slots=slots), queued=queued, gpu_util_pct=float(gpu)
        )
        for n, (slots, _, queued, gpu) in enumerate(facts)
    ]
    stand = Stand(*offered)
    stand.running = {f"w{n}": min(busy, slots) for n, (slots, busy, _, _) in enumerate(facts)}
    serving = stand.colony.serving("m")
    turns = [choose(serving, stand.running, turn=turn) for turn in range(len(facts))]
    allowed = {choice.worker.worker_id for choice in turns if choice is not None}
    choice = stand.router.choose("m", call(), stand.running)
    assert (choice is None) == (not allowed)
    if choice is not None:
        assert choice.worker.worker_id in allowed
