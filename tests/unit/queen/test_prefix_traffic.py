"""Prefix affinity under made-up traffic: what it wins with overlap, and what it never costs.

Engines in virtual time: each remembers the last prompts of its slots, reads only what
is new, and slows down with every request that it runs beside another. The router is the
real one; arrivals, lengths and turns are dice with a seed.
"""

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable

import pytest

from rbee.queen.inference.call import Call
from rbee.queen.inference.router import Router
from rbee.queen.inference.routing import Choice
from rbee.queen.registry.colony import Colony
from rbee.queen.routing_settings import PolicyName, Rules
from rbee.testing.raw_worker import beat, ready_worker

WORKERS = 6
SLOTS = 4
REQUESTS = 700
BLOCK = 600  # bytes of a turn's block, more than what the index hashes at once
READ_S = 0.05  # of one block that the engine has not seen
WRITE_S = 0.3  # of an answer
BESIDE = 0.4  # each request beside it makes one so much slower
WORSE_MAX = 1.05

Prompt = tuple[int, ...]
Traffic = Callable[[random.Random], Prompt]


def strangers(dice: random.Random) -> Prompt:
    """Nothing in common."""
    return tuple(dice.getrandbits(60) for _ in range(dice.randint(2, 12)))


def same_instructions(dice: random.Random) -> Prompt:
    """One long beginning for all, then nothing in common."""
    return (1, 2, 3, 4, *strangers(dice))


def conversing() -> Traffic:
    """Forty conversations that grow turn by turn and begin anew when they are long."""
    histories: list[Prompt] = [() for _ in range(40)]

    def traffic(dice: random.Random) -> Prompt:
        place = dice.randrange(len(histories))
        before = histories[place] if len(histories[place]) < 24 else ()
        histories[place] = (*before, dice.getrandbits(60), dice.getrandbits(60))
        return histories[place]

    return traffic


class Engine:
    """What one worker remembers."""

    def __init__(self) -> None:
        self.memory: deque[Prompt] = deque(maxlen=2 * SLOTS)

    def seconds(self, prompt: Prompt, beside: int) -> float:
        known = max((_common(prompt, one) for one in self.memory), default=0)
        self.memory.append(prompt)
        return (READ_S * (len(prompt) - known) + WRITE_S) * (1 + BESIDE * beside)


def _common(one: Prompt, other: Prompt) -> int:
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return count


def mean_s(policy: PolicyName, traffic: Traffic, *, every_s: float, seed: int) -> float:
    """The mean time from arrival to answer, waiting included."""
    colony = Colony()
    workers = [ready_worker(f"w{n}", 9001 + n, slots=SLOTS) for n in range(WORKERS)]
    colony.beat(beat(workers, at=2.0), 2.0)
    router = Router(colony, Rules(default=policy), clock=lambda: 0.0)
    engines = {f"w{n}": Engine() for n in range(WORKERS)}
    dice = random.Random(seed)  # noqa: S311  traffic, no secrets
    running: dict[str, int] = {}
    ends: list[tuple[float, int, Choice]] = []
    line: deque[tuple[float, Prompt]] = deque()
    order = itertools.count()  # ends at the same time come as they began
    total_s = 0.0

    def serve(now: float) -> None:
        nonlocal total_s
        while line:
            began, prompt = line[0]
            body = b"".join(b"%019d." % block * (BLOCK // 20) for block in prompt)
            call = Call(job_id="j", model="m", path="/v1/completions", body=body, stream=True)
            choice = router.choose("m", call, running)
            if choice is None:
                return
            line.popleft()
            worker_id = choice.worker.worker_id
            took_s = engines[worker_id].seconds(prompt, running.get(worker_id, 0))
            running[worker_id] = running.get(worker_id, 0) + 1
            total_s += now + took_s - began
            heapq.heappush(ends, (now + took_s, next(order), choice))

    def end_until(now: float) -> None:
        while ends and ends[0][0] <= now:
            at, _, choice = heapq.heappop(ends)
            running[choice.worker.worker_id] -= 1
            router.freed(choice.worker)
            serve(at)

    now = 0.0
    for _ in range(REQUESTS):
        now += dice.expovariate(1 / every_s)
        end_until(now)
        line.append((now, traffic(dice)))
        serve(now)
    end_until(float("inf"))
    assert not line
    return total_s / REQUESTS


@pytest.mark.parametrize("every_s", [0.06, 0.1, 0.2])
@pytest.mark.parametrize("traffic", [strangers, same_instructions])
def test_without_overlap_of_their_own_requests_are_not_answered_later(
    traffic: Traffic, every_s: float
) -> None:
    least = mean_s("least-loaded", traffic, every_s=every_s, seed=1)
    affine = mean_s("prefix-affinity", traffic, every_s=every_s, seed=1)
    assert affine <= least * WORSE_MAX


@pytest.mark.parametrize("every_s", [0.1, 0.15])
def test_conversations_are_answered_sooner(every_s: float) -> None:
    """While there is a choice: in a full queue a request gets the one slot that came free."""
    least = mean_s("least-loaded", conversing(), every_s=every_s, seed=1)
    affine = mean_s("prefix-affinity", conversing(), every_s=every_s, seed=1)
    assert affine < least * 0.9
