"""Affinity: a session's own worker, and the worker that has read the beginning before."""

import itertools
import random
from collections import Counter

import msgspec

from rbee.queen.inference.prefixes import (
    BLOCK_BYTES,
    BLOCKS_MAX,
    Holder,
    PrefixIndex,
    blocks_of,
)
from rbee.queen.inference.routing import Choice
from rbee.queen.routing_settings import PolicyName, Rules
from unit.queen.router_stand import Stand, call, workers


def test_a_session_stays_on_its_worker_and_comes_back_to_it() -> None:
    stand = Stand(*workers(30), rules=Rules(default="session-affinity"))
    own = {name: stand.once(call(session=name)) for name in map(str, range(200))}
    assert len(set(own.values())) > 20
    assert {name: stand.once(call(session=name)) for name in own} == own
    first = stand.take(call(session="0"))
    assert first is not None
    spilled = stand.once(call(session="0"))
    assert spilled not in {None, own["0"]}
    assert stand.once(call(session="0")) == spilled
    stand.give(first)
    assert stand.once(call(session="0")) == own["0"]


def test_only_the_sessions_of_a_worker_that_left_move() -> None:
    stand = Stand(*workers(10), rules=Rules(default="session-affinity"))
    own = {name: stand.once(call(session=name)) for name in map(str, range(300))}
    stand.beat(*workers(10)[:9])
    moved = {name for name in own if stand.once(call(session=name)) != own[name]}
    assert moved == {name for name, worker_id in own.items() if worker_id == "w9"}


def test_sessions_are_shared_out_fairly() -> None:
    stand = Stand(*workers(4), rules=Rules(default="session-affinity"))
    shares = Counter(stand.once(call(session=str(name))) for name in range(4000))
    assert max(shares.values()) < 1.35 * min(shares.values())


def conversation(name: int, turns: int) -> bytes:
    return b"".join(b"%d:%d " % (name, turn) * 300 for turn in range(turns))


def test_a_conversation_goes_where_its_beginning_was_read() -> None:
    stand = Stand(*workers(6, slots=4), rules=Rules(default="prefix-affinity"))
    homes = {name: stand.once(call(body=conversation(name, 2))) for name in range(12)}
    for turns in (3, 4, 5):
        for name, home in homes.items():
            choice = stand.take(call(body=conversation(name, turns)))
            assert choice is not None
            assert choice.worker.worker_id == home
            assert "has read" in choice.why
            stand.give(choice)


def test_a_restarted_worker_has_forgotten_what_it_read() -> None:
    stand = Stand(*workers(2, slots=4), rules=Rules(default="prefix-affinity"))
    first = stand.take(call(body=conversation(1, 4)))
    assert first is not None
    stand.give(first)
    home = first.worker.worker_id
    stand.beat(
        *(
            msgspec.structs.replace(one, generation=2) if one.worker_id == home else one
            for one in workers(2, slots=4)
        )
    )
    again = stand.take(call(body=conversation(1, 4)))
    assert again is not None
    assert "has read" not in again.why


def test_the_guard_sends_a_rush_on_one_beginning_to_everybody() -> None:
    stand = Stand(*workers(4, slots=4), rules=Rules(default="prefix-affinity"))
    shared = b"the same long instructions " * 200
    for n in range(12):
        assert stand.take(call(body=shared + b"%d" % n * 2000)) is not None
    assert max(stand.running.values()) - min(stand.running.get(f"w{n}", 0) for n in range(4)) <= 2


def test_without_overlap_prefix_affinity_chooses_as_least_loaded_does() -> None:
    dice = random.Random(3)  # noqa: S311  traffic, no secrets
    bodies = [dice.randbytes(4000) for _ in range(300)]

    def run(policy: PolicyName) -> list[str]:
        stand = Stand(*workers(10, slots=3), rules=Rules(default=policy))
        chosen: list[str] = []
        held: list[Choice] = []
        for number, body in zip(itertools.count(), bodies, strict=False):
            choice = stand.take(call(body=body))
            assert choice is not None
            chosen.append(choice.worker.worker_id)
            held.append(choice)
            if len(held) > 20:
                stand.give(held.pop(number % len(held)))
        return chosen

    assert run("prefix-affinity") == run("least-loaded")


def test_the_memory_of_beginnings_is_bounded_and_keeps_what_is_used() -> None:
    index = PrefixIndex(entries_max=100)
    often = [-1, -2, -3]
    holder = Holder("w0", 1)
    index.learn(often, holder)
    for number in range(2_000):
        index.learn([number], holder)
        if number % 20 == 0:
            index.learn(often, holder)
    assert len(index) <= 110
    assert index.find(often).share == 1.0
    assert index.find([0]).holders == ()


def test_the_longest_beginning_and_its_latest_readers_are_found() -> None:
    index = PrefixIndex()
    index.learn([1, 2, 3, 4], Holder("a", 1))
    index.learn([1, 2, 9], Holder("b", 1))
    index.learn([1, 2, 9], Holder("b", 2))  # restarted: its older self is gone
    assert index.find([1, 2, 3, 8]).holders == (Holder("a", 1),)
    assert index.find([1, 2, 3, 8]).share == 0.75
    assert index.find([1, 2, 7, 7]).holders == (Holder("b", 2), Holder("a", 1))
    assert index.find([5]) == index.find([]) == (0.0, ())


def test_a_body_is_known_by_its_whole_blocks_from_the_beginning() -> None:
    body = bytes(range(256)) * 10
    blocks = blocks_of(body)
    assert len(blocks) == len(body) // BLOCK_BYTES
    assert blocks_of(body + b"more") == blocks
    changed = blocks_of(b"x" + body[1:])
    assert not set(changed) & set(blocks)
    assert len(blocks_of(b"y" * BLOCK_BYTES * (BLOCKS_MAX + 5))) == BLOCKS_MAX
