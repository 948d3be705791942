"""The queen's overhead: the same worker asked directly and through her, interleaved in one run.

    python benchmarks/overhead.py [--backend mock|scripted|real] [--seconds 2] [--rounds 3]

``mock`` is the C program and needs a compiler; the others need none.

Read the ratios, not the absolute figures: load, queen and worker share this
machine's cores. ``benchmarks/README.md`` says how to read the table.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from load import Target, run_load
from rig import MODEL, Rig, rig

CONNECTIONS = {"mock": (1, 8, 64), "scripted": (1, 8, 64), "real": (1, 4)}
"""A real engine on a few cores has four slots: more would measure its own queue."""
SECONDS = {"mock": 1.0, "scripted": 1.0, "real": 8.0}  # an answer of a real engine takes seconds
WARM_UP_S = 0.3  # connections opened, caches and the queen's index warm
EVENTS = {"mock": 100, "scripted": 100, "real": 16}  # tokens of a streamed answer


class Figure(NamedTuple):
    """One way, one number of connections, one round."""

    way: str
    streaming: bool
    connections: int
    per_s: float
    first_p50_ms: float
    first_p99_ms: float
    events_per_s: float
    queen_cpu_us: float


def body(*, streaming: bool, tokens: int) -> bytes:
    """The request: short, as most chat requests are."""
    message = {"role": "user", "content": "Tell me about bees."}
    wish = {"model": MODEL, "messages": [message], "max_tokens": tokens, "stream": streaming}
    return json.dumps({**wish, "temperature": 0}).encode()  # the same answer both ways


async def measure(
    place: Rig, target: Target, request: bytes, *, streaming: bool, connections: int, seconds: float
) -> Figure:
    """Load one way for a while. ``queen_cpu_us`` is per event, or per unary request."""
    await run_load(target, request, connections=connections, duration_s=WARM_UP_S)
    cpu_s, started = place.queen_cpu_s(), time.perf_counter()
    seen = await run_load(target, request, connections=connections, duration_s=seconds)
    wall_s, cpu_s = time.perf_counter() - started, place.queen_cpu_s() - cpu_s
    events = sum(one.events for one in seen)
    unit = events if streaming else len(seen)
    first = sorted(one.first_s * 1e3 for one in seen)
    return Figure(
        way=target.name,
        streaming=streaming,
        connections=connections,
        per_s=len(seen) / wall_s,
        first_p50_ms=statistics.median(first),
        first_p99_ms=first[int(len(first) * 0.99)],
        events_per_s=events / wall_s,
        queen_cpu_us=cpu_s / max(unit, 1) * 1e6,
    )


async def run(
    place: Rig, crowds: Sequence[int], *, seconds: float, rounds: int, tokens: int
) -> list[Figure]:
    """All rounds; direct and queen take turns, and who goes first changes."""
    figures: list[Figure] = []
    for number in range(rounds):
        ways = (place.direct, place.queen) if number % 2 == 0 else (place.queen, place.direct)
        for streaming in (False, True):
            request = body(streaming=streaming, tokens=tokens)
            for connections in crowds:
                for way in ways:
                    figures.append(  # noqa: PERF401  one after the other is the point
                        await measure(
                            place,
                            way,
                            request,
                            streaming=streaming,
                            connections=connections,
                            seconds=seconds,
                        )
                    )
    return figures


def middle(figures: list[Figure], way: str, connections: int, *, streaming: bool) -> Figure:
    """The median round of one cell, by each figure on its own."""
    cell = [
        f for f in figures if (f.way, f.connections, f.streaming) == (way, connections, streaming)
    ]
    numbers = [statistics.median(column) for column in zip(*(f[3:] for f in cell), strict=True)]
    return Figure(way, streaming, connections, *numbers)


def report(figures: list[Figure]) -> str:
    """The table that people read."""
    crowds = sorted({figure.connections for figure in figures})
    head = f"{'connections':>11} {'direct':>11} {'queen':>11} {'ratio':>6} {'first p50':>17}"
    head += f" {'p50 added':>10} {'p99 added':>10} {'queen CPU':>10}"
    lines: list[str] = []
    for streaming in (False, True):
        unit = "events/s" if streaming else "requests/s"
        lines += ["", f"{'streamed' if streaming else 'not streamed'}, {unit}", head]
        for connections in crowds:
            direct = middle(figures, "direct", connections, streaming=streaming)
            queen = middle(figures, "queen", connections, streaming=streaming)
            rates = [f.events_per_s if streaming else f.per_s for f in (direct, queen)]
            lines.append(
                f"{connections:>11} {rates[0]:>11,.0f} {rates[1]:>11,.0f}"
                f" {rates[1] / rates[0]:>6.2f}"
                f" {direct.first_p50_ms:>7.2f}→{queen.first_p50_ms:<6.2f}ms"
                f" {queen.first_p50_ms - direct.first_p50_ms:>8.2f}ms"
                f" {queen.first_p99_ms - direct.first_p99_ms:>8.2f}ms"
                f" {queen.queen_cpu_us:>8.1f}µs"
            )
    return "\n".join(lines)


def main() -> None:
    """Run, print, and keep the raw figures in benchmarks/results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--backend", choices=("mock", "scripted", "real"), default="mock")
    parser.add_argument("--seconds", type=float, help="per cell and round")
    parser.add_argument("--rounds", type=int, default=3)
    wish = parser.parse_args()
    tokens = EVENTS[wish.backend]
    print(f"worker: {wish.backend}, {tokens} tokens a stream, {wish.rounds} rounds", flush=True)
    seconds: float = wish.seconds or SECONDS[wish.backend]
    crowds = CONNECTIONS[wish.backend]
    with rig(wish.backend, events=tokens) as place:
        figures = asyncio.run(
            run(place, crowds, seconds=seconds, rounds=wish.rounds, tokens=tokens)
        )
    print(report(figures))
    folder = Path(__file__).with_name("results")
    folder.mkdir(exist_ok=True)
    kept = folder / f"overhead-{wish.backend}.json"
    kept.write_text(json.dumps([f._asdict() for f in figures], indent=1), encoding="utf-8")
    print(f"\nraw figures: {kept}", file=sys.stderr)


if __name__ == "__main__":
    main()
