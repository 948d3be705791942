"""How long a routing decision takes, over 10 to 10,000 workers and every policy.

No sockets: the real registry is filled by beats, the real router decides, slots are
taken and given back so that about nine of ten are in use, which is where looking for
a free one would hurt. Each decision is timed alone, in thread CPU time, so that a
busy machine does not count; the clock's own cost is taken off.

    .venv/bin/python benchmarks/routing_time.py [--decisions 20000] [--json FILE]
"""

import argparse
import gc
import json
import random
import time
from pathlib import Path
from typing import NamedTuple, get_args

from rbee.queen.inference.call import Call
from rbee.queen.inference.router import Router
from rbee.queen.inference.routing import Choice
from rbee.queen.registry.colony import Colony
from rbee.queen.routing_settings import PolicyName, Rules
from rbee.testing.raw_worker import beat, ready_worker

SIZES = (1, 10, 100, 1_000, 10_000)
WORKERS_A_HIVE = 4
SLOTS = 4
FILLED = 0.9
BODY_BYTES = 4096  # a chat of a few turns
CONVERSATIONS = 500
MUST_US = 50.0  # the median at 1,000 workers; the tail is the machine's


class Row(NamedTuple):
    """One policy at one size. Times in microseconds of CPU."""

    policy: str
    workers: int
    mean_us: float
    p50_us: float
    p99_us: float


def colony_of(workers: int) -> Colony:
    """A registry with so many ready workers, one in a hundred on this machine."""
    colony = Colony()
    for first in range(0, workers, WORKERS_A_HIVE):
        count = min(WORKERS_A_HIVE, workers - first)
        message = beat(
            [ready_worker(f"w{first + n}", 9001 + n, slots=SLOTS) for n in range(count)],
            hive_id=f"hive{first}",
            at=2.0,
        )
        if first:
            message.hive_info.hostname = f"machine{first}"
            message.hive_info.address = "10.0.0.7"
            for one in message.workers:
                one.address = "10.0.0.7"
        colony.beat(message, 2.0)
    return colony


def calls() -> list[Call]:
    """Conversations with a common beginning and a part of their own."""
    common = b'{"model":"m","messages":[' + b"the same instructions " * 60
    return [
        Call(
            job_id="job",
            model="m",
            path="/v1/chat/completions",
            body=(common + b"%d " % number * BODY_BYTES)[:BODY_BYTES],
            stream=True,
            session=f"session-{number}",
        )
        for number in range(CONVERSATIONS)
    ]


def measure(policy: PolicyName, workers: int, decisions: int) -> Row:
    """Decide so often, and take the times."""
    router = Router(colony_of(workers), Rules(default=policy))
    asked = calls()
    running: dict[str, int] = {}
    held: list[Choice] = []
    dice = random.Random(7)  # noqa: S311  traffic, no secrets
    keep = max(1, int(workers * SLOTS * FILLED))
    overhead_ns = min(_empty_ns() for _ in range(1000))
    taken_ns: list[int] = []
    for number in range(keep + decisions):
        call = asked[dice.randrange(CONVERSATIONS)]
        began = time.thread_time_ns()
        choice = router.choose("m", call, running)
        spent = time.thread_time_ns() - began - overhead_ns
        if number >= keep:
            taken_ns.append(spent)
        if choice is not None:
            running[choice.worker.worker_id] = running.get(choice.worker.worker_id, 0) + 1
            held.append(choice)
        if len(held) > keep or choice is None:
            place = dice.randrange(len(held))
            held[place], held[-1] = held[-1], held[place]
            ended = held.pop()
            running[ended.worker.worker_id] -= 1
            router.freed(ended.worker)
    taken_ns.sort()
    return Row(
        policy,
        workers,
        sum(taken_ns) / len(taken_ns) / 1e3,
        taken_ns[len(taken_ns) // 2] / 1e3,
        taken_ns[len(taken_ns) * 99 // 100] / 1e3,
    )


def _empty_ns() -> int:
    began = time.thread_time_ns()
    return time.thread_time_ns() - began


def main() -> None:
    """Measure, print, and end with 1 when a decision at 1,000 workers takes too long."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decisions", type=int, default=20_000)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    gc.disable()  # its pauses belong to what the process holds, not to a decision
    rows = [
        measure(policy, size, asked.decisions) for policy in get_args(PolicyName) for size in SIZES
    ]
    print(f"{'policy':<18}{'workers':>8}{'mean µs':>9}{'p50 µs':>9}{'p99 µs':>9}")
    for row in rows:
        print(
            f"{row.policy:<18}{row.workers:>8}{row.mean_us:>9.1f}{row.p50_us:>9.1f}{row.p99_us:>9.1f}"
        )
    if asked.json is not None:
        asked.json.write_text(json.dumps([row._asdict() for row in rows], indent=2))
    slow = [row for row in rows if row.workers == 1_000 and row.p50_us > MUST_US]
    for row in slow:
        print(f"too slow: {row.policy} at 1,000 workers, p50 {row.p50_us:.1f} µs")
    raise SystemExit(1 if slow else 0)


if __name__ == "__main__":
    main()
