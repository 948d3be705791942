"""What each candidate is put through, and one measurement of it.

A scenario is a request body for the mock (``native/mock.c`` says which fields it
obeys), a number of connections and a window. Every candidate gets the same bytes.
"""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

import msgspec
import psutil
from candidates import ASSEMBLED, KEY, Candidate
from native_tools import (
    LOAD_CPU,
    MODEL,
    CancelFigures,
    LoadFigures,
    Mock,
    run_cancels,
    run_load,
)

Unit = Literal["request", "event"]

IDLE_SHARE: Final = 0.05  # a proxy that uses less has forgotten the scenario before
SETTLE_MAX_S: Final = 10.0
WARM_UP_S: Final = 2.0  # imports, compiled caches and pools are there after it
_SETTLE_LOOK_S: Final = 0.1
_SYSTEM: Final = "You are a friendly assistant who knows all about bees and their colonies. " * 11
ENDLESS: Final = 1_000_000_000  # events: more than any window lets through
_RUSH_NOT: Final = frozenset({"litellm"})  # takes minutes to recover from a thousand streams


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of load. ``body`` goes over OpenAI's fields; lengths of time in seconds."""

    name: str
    title: str
    mode: Literal["loop", "stall", "cancel"] = "loop"
    unit: Unit = "event"
    body: Mapping[str, object]
    connections: int = 1
    ramp_s: float = 0.0
    warm_s: float = 0.7
    window_s: float = 3.0
    rounds: int = 40
    only: frozenset[str] = frozenset()
    never: frozenset[str] = frozenset()
    every_round: bool = True

    def fits(self, candidate: str) -> bool:
        """Whether a candidate takes part."""
        return candidate not in self.never and (not self.only or candidate in self.only)


def _unary(**more: object) -> dict[str, object]:
    return {"max_tokens": 16, "stream": False, **more}


def _stream(events: int, every_us: int) -> dict[str, object]:
    return {"max_tokens": events, "seed": every_us, "stream": True}


_RBEE: Final = frozenset({"rbee", "rbee-uvloop"})

SCENARIOS: Final = (
    # First, while no other scenario has stretched the heap already.
    Scenario(
        name="never-reads",
        title="4 clients that never read a stream as fast as it goes",
        mode="stall",
        body=_stream(ENDLESS, 0),
        connections=4,
        warm_s=1.0,
        window_s=6.0,
        never=frozenset({"direct"}),
        every_round=False,
    ),
    Scenario(
        name="unary-64",
        title="unary, 64 connections",
        unit="request",
        body=_unary(),
        connections=64,
    ),
    Scenario(
        name="unary-256",
        title="unary, 256 connections",
        unit="request",
        body=_unary(),
        connections=256,
    ),
    Scenario(
        name="assembled-64",
        title="unary assembled from a stream of 16 events, 64 connections",
        unit="request",
        body=_unary(model=ASSEMBLED, seed=2_000),  # an engine of 500 tokens/s
        connections=64,
        only=_RBEE,
    ),
    Scenario(
        name="paced-64",
        title="64 streams of 200 events/s",
        body=_stream(100, 5_000),
        connections=64,
        ramp_s=0.5,
    ),
    Scenario(
        name="paced-256",
        title="256 streams of 200 events/s",
        body=_stream(100, 5_000),
        connections=256,
        ramp_s=0.5,
    ),
    Scenario(
        name="first-1",
        title="one short stream after another, 1 connection",
        body=_stream(3, 1_000),
        window_s=2.0,
    ),
    Scenario(
        name="saturated-1000",
        title="1,000 streams as fast as they go",
        body=_stream(ENDLESS, 0),
        connections=1_000,
        warm_s=1.5,
        never=_RUSH_NOT,
    ),
    Scenario(
        name="offered-1000",
        title="1,000 streams of 200 events/s: 200,000 offered",
        body=_stream(ENDLESS, 5_000),
        connections=1_000,
        warm_s=1.5,
        never=_RUSH_NOT,
    ),
    Scenario(
        name="new-1000",
        title="1,000 new streams at once, 20 events/s each",
        body=_stream(ENDLESS, 50_000),
        connections=1_000,
        warm_s=0.0,
        never=_RUSH_NOT,
    ),
    Scenario(
        name="cancel-stream",
        title="a client leaves its stream",
        mode="cancel",
        body=_stream(ENDLESS, 10_000),
        never=frozenset({"direct"}),
        every_round=False,
    ),
    Scenario(
        name="cancel-unary",
        title="a client that does not stream leaves",
        mode="cancel",
        body=_unary(seed=20_000_000),
        never=frozenset({"direct"}),
        every_round=False,
        rounds=10,
    ),
    Scenario(
        name="cancel-assembled",
        title="a client that does not stream leaves an assembled answer",
        mode="cancel",
        body=_unary(model=ASSEMBLED, seed=10_000, max_tokens=ENDLESS),
        only=_RBEE,
        every_round=False,
    ),
)


def write_bodies(folder: Path) -> dict[str, Path]:
    """Each scenario's request body as a file for the load generator."""
    messages = [
        {"role": "system", "content": _SYSTEM},
        {"role": "user", "content": "What is a bee colony?"},
    ]
    files: dict[str, Path] = {}
    for scenario in SCENARIOS:
        body = {"model": MODEL, "messages": messages, **scenario.body}
        files[scenario.name] = folder / f"{scenario.name}.json"
        files[scenario.name].write_text(json.dumps(body, separators=(",", ":")), encoding="utf-8")
    return files


def measure(
    scenario: Scenario, candidate: Candidate, mock: Mock, body: Path, *, hurry: float
) -> LoadFigures | CancelFigures:
    """Run one scenario against one candidate that has come to rest; ``hurry`` shortens windows.

    Raises:
        RuntimeError: the load generator could not go on.
    """
    settle(candidate)
    options: dict[str, object] = {"cpu": LOAD_CPU, "key": KEY, "mock_pid": mock.pid}
    if scenario.mode == "cancel":
        rounds = max(3, round(scenario.rounds * hurry))
        options |= {"rounds": rounds, "mock_port": mock.ports[0]}
        return run_cancels(candidate.port, body, options)
    options |= {
        "connections": scenario.connections,
        "ramp_s": scenario.ramp_s,
        "warm_s": scenario.warm_s,
        "seconds": max(1.0, scenario.window_s * hurry),
        "pids": ",".join(map(str, candidate.pids)),
    }
    return run_load(scenario.mode, candidate.port, body, options)


def warm_up(candidate: Candidate, body: Path) -> None:
    """Let a proxy answer its first requests, which are like no others.

    Raises:
        RuntimeError: as ``measure``.
    """
    options = {"cpu": LOAD_CPU, "key": KEY, "connections": 8, "warm_s": 0.0, "seconds": WARM_UP_S}
    run_load("loop", candidate.port, body, options)
    settle(candidate)


def settle(candidate: Candidate) -> None:
    """Wait until a proxy has got over what came before, 10 s at most."""
    processes = [psutil.Process(pid) for pid in candidate.pids if psutil.pid_exists(pid)]
    deadline = time.monotonic() + SETTLE_MAX_S

    def used_s() -> float:
        return sum(sum(process.cpu_times()[:2]) for process in processes)

    while time.monotonic() < deadline:
        before = used_s()
        time.sleep(_SETTLE_LOOK_S)
        if used_s() - before <= IDLE_SHARE * _SETTLE_LOOK_S + 0.01:  # a tick is 0.01 s
            return
