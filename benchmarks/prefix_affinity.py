"""Prefix affinity against least-loaded, on conversations of several turns with real workers.

Two workers run the starter model in llama.cpp; two queens know both of them, one routes by
``least-loaded``, one by ``prefix-affinity``. The same kind of trace goes to each in turn, with
words of its own every time, so that nothing is remembered from one run to the next. More
conversations are open than are asked at once, as in life. What an engine had to read is
what its own timings say (``prompt_n``); the first token is timed at the client.

A second trace has no overlap at all: there the two must not differ by more than noise.

    .venv/bin/python benchmarks/prefix_affinity.py [--rounds 3] [--conversations 6] [--turns 4]
"""

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
from rig import BenchWorker, running_queen

from rbee.testing.starter import cached_starter
from rbee.testing.workers import running_worker

POLICIES = ("least-loaded", "prefix-affinity")
WORKERS = 2
SLOTS = 4  # as hives start them
CONTEXT = 8_192
AT_ONCE = 3  # of eight slots: there is a choice to make
WORDS_A_TURN = 160  # about 1,100 bytes
ANSWER_TOKENS = 12
TIMEOUT_S = 300.0
_WORDS = [
    "river",
    "mountain",
    "engine",
    "paper",
    "window",
    "garden",
    "silver",
    "number",
    "letter",
    "morning",
    "bridge",
    "forest",
    "market",
    "signal",
    "copper",
    "winter",
    "planet",
    "island",
    "camera",
    "button",
    "history",
    "village",
    "thunder",
    "kitchen",
]


class Turn(NamedTuple):
    """One answer: tokens read and remembered, seconds to the first token."""

    read: int
    cached: int
    first_s: float


class Outcome(NamedTuple):
    """One run of a trace."""

    policy: str
    turns: list[Turn]
    wall_s: float


@contextmanager
def queens() -> Generator[dict[str, int]]:
    """Two workers and a queen for each policy; the queens' ports."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rbee-bench-")))
        workers: list[BenchWorker] = []
        for number in range(WORKERS):
            worker = stack.enter_context(
                running_worker(
                    home / f"worker{number}",
                    engine="xllamacpp",
                    model=cached_starter(Path(".cache")),
                    context=CONTEXT,
                    slots=SLOTS,
                )
            )
            worker.wait_ready()
            workers.append(
                BenchWorker(worker.port, worker.key, worker.process.pid, "starter", slots=SLOTS)
            )
        ports: dict[str, int] = {}
        for policy in POLICIES:
            config = home / policy / "config"
            config.mkdir(parents=True)
            (config / "config.toml").write_text(f'[queen.routing]\ndefault = "{policy}"\n')
            queen = stack.enter_context(running_queen(home / policy, workers))
            ports[policy] = queen.port
        yield ports


def words(dice: random.Random, count: int = WORDS_A_TURN) -> str:
    """Words that no other turn has in this order."""
    return " ".join(dice.choice(_WORDS) for _ in range(count))


async def conversations(http: httpx2.AsyncClient, dice: random.Random, asked: Any) -> list[Turn]:  # noqa: ANN401  argparse's own type
    """So many conversations, their turns in order, ``AT_ONCE`` running."""
    instructions = words(dice, 60)  # common to all, as an application's system prompt is
    histories = [[{"role": "system", "content": instructions}] for _ in range(asked.conversations)]
    ready = deque((number, 0) for number in range(asked.conversations))
    turns: list[Turn] = []
    running = 0

    async def client() -> None:
        nonlocal running
        while ready or running:
            if not ready:
                await asyncio.sleep(0.01)  # another client's turn is the next one's beginning
                continue
            number, turn = ready.popleft()
            running += 1
            history = histories[number]
            history.append({"role": "user", "content": words(dice)})
            done, text = await one_turn(http, history)
            history.append({"role": "assistant", "content": text})
            turns.append(done)
            if turn + 1 < asked.turns:
                ready.append((number, turn + 1))
            running -= 1

    await asyncio.gather(*(client() for _ in range(AT_ONCE)))
    return turns


async def strangers(http: httpx2.AsyncClient, dice: random.Random, asked: Any) -> list[Turn]:  # noqa: ANN401  argparse's own type
    """As many single requests that have nothing in common."""
    left = [[{"role": "user", "content": words(dice)}] for _ in range(2 * asked.conversations)]
    turns: list[Turn] = []

    async def client() -> None:
        while left:
            done, _ = await one_turn(http, left.pop())
            turns.append(done)

    await asyncio.gather(*(client() for _ in range(AT_ONCE)))
    return turns


async def one_turn(http: httpx2.AsyncClient, messages: list[dict[str, str]]) -> tuple[Turn, str]:
    """Ask once, streaming."""
    body = {
        "model": "starter",
        "messages": messages,
        "max_tokens": ANSWER_TOKENS,
        "temperature": 0,
        "stream": True,
    }
    began = time.perf_counter()
    first_s: float | None = None
    text = ""
    timings: dict[str, int] = {}
    async with http.stream("POST", "/v1/chat/completions", json=body) as response:
        async for line in response.aiter_lines():
            if not line.startswith("data: {"):
                continue
            chunk = json.loads(line[6:])
            timings = chunk.get("timings", timings)
            for choice in chunk.get("choices", []):
                if piece := choice.get("delta", {}).get("content"):
                    first_s = first_s or time.perf_counter() - began
                    text += piece
    if first_s is None:
        raise RuntimeError("an answer without a token")
    return Turn(timings.get("prompt_n", 0), timings.get("cache_n", 0), first_s), text


async def run(trace: Any, policy: str, port: int, seed: int, asked: Any) -> Outcome:  # noqa: ANN401  a trace function, argparse's own type
    """One trace against one queen."""
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=TIMEOUT_S) as http:
        began = time.perf_counter()
        turns = await trace(http, random.Random(seed), asked)  # noqa: S311  words, no secrets
        return Outcome(policy, turns, time.perf_counter() - began)


def show(name: str, outcomes: list[Outcome]) -> None:
    """Medians over the rounds, and the ratio."""
    print(f"\n{name}")
    print(
        f"{'policy':<18}{'tokens read':>12}{'remembered':>12}{'first p50':>11}{'p90':>8}{'whole':>9}"
    )
    for policy in POLICIES:
        mine = [outcome for outcome in outcomes if outcome.policy == policy]
        firsts = sorted(turn.first_s for outcome in mine for turn in outcome.turns)
        read = statistics.median(sum(turn.read for turn in outcome.turns) for outcome in mine)
        cached = statistics.median(sum(turn.cached for turn in outcome.turns) for outcome in mine)
        print(
            f"{policy:<18}{read:>12.0f}{cached:>12.0f}{firsts[len(firsts) // 2]:>9.2f} s"
            f"{firsts[len(firsts) * 9 // 10]:>6.2f} s"
            f"{statistics.median(outcome.wall_s for outcome in mine):>7.1f} s"
        )


def main() -> None:
    """Run both traces against both queens in turn, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--conversations", type=int, default=6)
    parser.add_argument("--turns", type=int, default=4)
    asked = parser.parse_args()
    seed = 0
    found: dict[str, list[Outcome]] = {}
    with queens() as ports:
        for number in range(asked.rounds):
            order = POLICIES if number % 2 == 0 else POLICIES[::-1]
            for trace in (conversations, strangers):
                for policy in order:
                    seed += 1
                    outcome = asyncio.run(run(trace, policy, ports[policy], seed, asked))
                    found.setdefault(trace.__name__, []).append(outcome)
    for name, outcomes in found.items():
        show(name, outcomes)


if __name__ == "__main__":
    main()
