"""Fair queuing: shares, priorities, lanes, places, over made-up loads and virtual time."""

import heapq
import random
from collections import Counter, defaultdict
from collections.abc import Callable
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbee.queen.scheduling.fairness import RESCUE_AFTER_S, RESCUE_EVERY, FairLine, who_yields

ANY = "any"


class Request:
    """Compared by identity, as tickets are."""

    def __init__(self, principal: str, arrived: float = 0.0, service_s: float = 1.0) -> None:
        self.principal = principal
        self.arrived = arrived
        self.service_s = service_s
        self.waited_s = 0.0


def chance(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311  a made-up load, nothing secret


Line = FairLine[Request, str]


def put(
    line: Line,
    principal: str,
    *,
    priority: int = 0,
    lane: str = ANY,
    since: float = 0.0,
    cost: float = 1.0,
) -> Request:
    request = Request(principal, since)
    line.enter(request, principal=principal, priority=priority, lane=lane, since=since, cost=cost)
    return request


def served(line: Line, now: float = 0.0, blocked: frozenset[str] = frozenset()) -> Request | None:
    found = line.first(now, blocked)
    if found is not None:
        line.serve(found)
    return found


def order(line: Line) -> list[Request]:
    found: list[Request] = []
    while (request := served(line)) is not None:
        found.append(request)
    return found


def names(line: Line) -> str:
    return "".join(request.principal for request in order(line))


def test_one_key_is_served_in_the_order_of_its_arrival() -> None:
    line = Line()
    came = [put(line, "a") for _ in range(20)]
    assert order(line) == came


def test_keys_take_turns_whoever_came_first() -> None:
    line = Line()
    for principal in "aaaaaabbc":
        put(line, principal)
    assert names(line) == "abcabaaaa"


def test_a_key_with_long_answers_is_served_less_often() -> None:
    line = Line()
    for _ in range(40):
        put(line, "a", cost=3.0)
        put(line, "b", cost=1.0)
    first = Counter(names(line)[:40])
    assert first == {"a": 10, "b": 30}


def test_idleness_earns_no_credit() -> None:
    line = Line()
    for _ in range(60):
        put(line, "a")
    for _ in range(30):
        served(line)
    for _ in range(30):
        put(line, "b")
    assert names(line)[:10] in {"ba" * 5, "ab" * 5}


def test_the_highest_priority_goes_first_and_keys_are_equal_within_it() -> None:
    line = Line()
    for principal, priority in [("a", 0), ("a", 0), ("b", 0), ("c", -5), ("d", 9), ("d", 9)]:
        put(line, principal, priority=priority)
    assert line.priority == 9
    assert names(line) == "ddabac"
    assert line.priority == 0


def test_a_low_priority_is_not_starved_and_a_high_one_hardly_notices() -> None:
    line = Line()
    low = [put(line, "low", priority=-10) for _ in range(5)]
    now, got = 0.0, Counter[str]()
    while any(request in line for request in low):
        now += 1.0
        put(line, "high", since=now)
        put(line, "high", since=now)
        found = served(line, now)
        assert found is not None
        got[found.principal] += 1
        if now < RESCUE_AFTER_S:
            assert found.principal == "high"
    assert got["high"] >= RESCUE_AFTER_S + (RESCUE_EVERY - 1) * (len(low) - 1) - 1
    assert now <= RESCUE_AFTER_S + RESCUE_EVERY * len(low)


def test_a_lane_without_a_slot_blocks_nobody_behind_it() -> None:
    line = Line()
    named = [put(line, "a", lane="w1") for _ in range(3)]
    free = [put(line, principal) for principal in "ab"]
    blocked = frozenset({"w1"})
    assert served(line, blocked=blocked) in free
    assert served(line, blocked=blocked) in free
    assert served(line, blocked=blocked) is None
    assert line.lanes == {"w1"}
    assert order(line) == named


def test_a_lane_that_was_blocked_for_long_does_not_serve_one_key_alone_afterwards() -> None:
    line = Line()
    for _ in range(10):
        put(line, "a", lane="w1")
    for _ in range(40):
        put(line, "b")
    while served(line, blocked=frozenset({"w1"})) is not None:
        pass
    for _ in range(10):
        put(line, "c", lane="w1")
    first = Counter(names(line)[:10])
    assert abs(first["a"] - first["c"]) <= 1


def test_a_place_in_a_full_line_goes_to_who_holds_less() -> None:
    assert who_yields({"a": 6, "c": 1}, "b") == "a"
    assert who_yields({"a": 6}, "a") is None
    assert who_yields({"a": 5, "b": 4}, "b") is None  # they would take it from each other for ever
    assert who_yields({}, "b") is None


def test_the_latest_and_least_urgent_request_gives_way() -> None:
    line = Line()
    came = [put(line, "a") for _ in range(3)]
    put(line, "a", priority=5)
    assert line.newest_of("a") is came[-1]
    line.leave(came[-1])
    named = put(line, "a", lane="w1")
    assert line.newest_of("a") is named
    assert line.newest_of("b") is None


def test_the_longest_wait_is_known() -> None:
    line = Line()
    assert line.oldest() is None
    late = put(line, "a", since=5.0, priority=9)
    early = put(line, "b", since=2.0, lane="w1")
    assert line.oldest() is early
    assert line.leave(early)
    assert not line.leave(early)
    assert line.oldest() is late


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("enter"), st.sampled_from("abc"), st.integers(-1, 1), st.sampled_from(["", "w"])
        ),
        st.tuples(st.just("leave"), st.integers(0, 99)),
        st.tuples(st.just("serve"), st.booleans()),
    ),
    max_size=80,
)


@given(STEPS)
def test_whatever_comes_and_goes_nobody_is_lost_or_served_twice(
    steps: list[tuple[object, ...]],
) -> None:
    line, here, now = Line(), list[Request](), 0.0
    for step in steps:
        now += 1.0
        match step:
            case ("enter", str(principal), int(priority), str(lane)):
                here.append(put(line, principal, priority=priority, lane=lane, since=now))
            case ("leave", int(index)) if here:
                assert line.leave(here.pop(index % len(here)))
            case ("serve", bool(busy)):
                found = served(line, now, frozenset({"w"}) if busy else frozenset())
                if found is not None:
                    here.remove(found)
                elif not busy:
                    assert not here
            case _:
                pass
        assert set(line) == set(here)
        assert len(line) == len(here)
        assert line.oldest() is (min(here, key=lambda one: one.arrived) if here else None)
        assert line.held == Counter(r.principal for r in here)
    assert set(order(line)) == set(here)
    assert not line.lanes


@given(st.lists(st.sampled_from("abcd"), max_size=40), st.integers(0, 20))
def test_the_position_is_how_many_are_served_until_then(came: list[str], before: int) -> None:
    line = Line()
    requests = [put(line, principal) for principal in came]
    for _ in range(min(before, len(came))):
        requests.remove(served(line) or requests[0])
    told = {request: line.position(request) for request in requests}
    assert {request: at for at, request in enumerate(order(line), 1)} == told


def test_with_many_keys_the_position_is_no_less_than_how_many_are_served_until_then() -> None:
    line = Line()
    requests = [put(line, f"key-{number % 100}") for number in range(250)]
    told = {request: line.position(request) for request in requests}
    for at, request in enumerate(order(line), 1):
        assert at <= told[request] <= 250
    assert told[requests[0]] == 100  # one of a hundred keys' first: in the first round
    assert told[requests[-1]] == 250


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.floats(0.2, 5.0)), min_size=2, max_size=60),
)
def test_while_two_keys_wait_neither_gets_ahead_by_more_than_two_answers(
    came: list[tuple[str, float]],
) -> None:
    line, costs = Line(), dict[Request, float]()
    mean = dict[str, float]()
    for principal, cost in came:
        mean.setdefault(principal, cost)  # a key's cost is its average
        costs[put(line, principal, cost=mean[principal])] = mean[principal]
    work = {"a": 0.0, "b": 0.0}
    while {"a", "b"} <= line.held.keys():
        found = served(line)
        assert found is not None
        work[found.principal] += costs[found]
        assert abs(work["a"] - work["b"]) <= mean["a"] + mean["b"] + 1e-6


# ── a colony in virtual time ─────────────────────────────────────────────────


def backlog(shares: dict[str, int], *, slots: int, rng: random.Random) -> dict[str, float]:
    """Mean wait in seconds by key, of requests that all came at once."""
    line = Line()
    sent = [name for name, count in shares.items() for _ in range(count)]
    rng.shuffle(sent)
    for name in sent:
        put(line, name)
    return _means(_played(line, slots, rng, again=lambda _request, _now: None))


def closed_loop(
    clients: dict[str, int], *, slots: int, rng: random.Random, until_s: float = 3000.0
) -> dict[str, float]:
    """Mean wait by key, where each key has so many clients that ask again when answered."""
    line = Line()
    for name, count in clients.items():
        for _ in range(count):
            put(line, name)

    def again(request: Request, now: float) -> None:
        if now < until_s:
            put(line, request.principal, since=now)

    return _means(_played(line, slots, rng, again=again))


def _played(
    line: Line, slots: int, rng: random.Random, *, again: Callable[[Request, float], None]
) -> list[Request]:
    now, running, done = 0.0, list[tuple[float, int, Request]](), list[Request]()
    while len(line) or running:
        while len(running) < slots and (request := served(line, now)) is not None:
            request.waited_s = now - request.arrived
            heapq.heappush(running, (now + rng.expovariate(1.0), id(request), request))
        now, _, ended = heapq.heappop(running)
        done.append(ended)
        again(ended, now)
    return done


def _means(done: list[Request]) -> dict[str, float]:
    waits: dict[str, list[float]] = defaultdict(list)
    for request in done:
        waits[request.principal].append(request.waited_s)
    return {name: fmean(found) for name, found in waits.items()}


@pytest.mark.parametrize("slots", [1, 4, 32])
@pytest.mark.parametrize("bursts", [5, pytest.param(40, marks=pytest.mark.thorough)])
def test_a_key_with_nine_tenths_of_a_burst_delays_the_other_by_no_more_than_a_tenth(
    slots: int, bursts: int
) -> None:
    crowded, equal = list[float](), list[float]()
    for seed in range(bursts):
        crowded.append(backlog({"a": 900, "b": 100}, slots=slots, rng=chance(seed))["b"])
        equal.append(backlog({"a": 100, "b": 100}, slots=slots, rng=chance(seed))["b"])
    assert fmean(crowded) <= 1.10 * fmean(equal)


@pytest.mark.parametrize("slots", [1, 4])
def test_a_key_with_nine_tenths_of_the_clients_delays_the_other_by_no_more_than_a_tenth(
    slots: int,
) -> None:
    crowded = closed_loop({"a": 90, "b": 10}, slots=slots, rng=chance(1))
    equal = closed_loop({"a": 10, "b": 10}, slots=slots, rng=chance(2))
    assert crowded["b"] <= 1.10 * equal["b"]
    assert crowded["a"] > 5 * crowded["b"]  # who sends more waits for it alone
