"""What each way to a worker costs: time to the first token, and CPU for each event.

A queen and three hives on test hosts (network namespaces; root only): one on the queen's own
host (``here``), one that she reaches ``direct`` (TLS that ends in the worker), one that is
outbound-only (``tunnel`` through its link's TLS). Every hive has one worker with the scripted
engine. First tokens are taken in turns, so that whatever slows the machine slows all ways.
CPU is that of queen, hive and worker together, idle time's share taken off.

    .venv/bin/python benchmarks/routes.py [--requests 100] [--streams 32] [--delay-ms 0]
"""

import argparse
import contextlib
import json
import platform
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import httpx2
import psutil

from rbee.testing.hosts import Daemon, Lan
from rbee.testing.hosts.colony import KEY, PORT, HostColony
from rbee.testing.waiting import until_now

WAYS: Final = ("here", "direct", "tunnel")
ROUTES: Final = {"here": "local"}
SLOTS: Final = 64  # of each worker
TOKENS_FIRST: Final = 4  # of a request that is there for its first token
EVERY_S: Final = 0.02  # 50 tokens a second, as a usual GPU gives
WINDOW_S: Final = 10.0
SETTLE_S: Final = 3.0  # loads and first beats are over by then


class Cost(NamedTuple):
    """One way's figures."""

    first_ms: list[float]
    cpu_us: dict[str, float]
    """By process, for each event."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What each way to a worker costs.")
    parser.add_argument("--requests", type=int, default=100, help="first tokens of each way")
    parser.add_argument("--streams", type=int, default=32, help=f"at once, up to {SLOTS}")
    parser.add_argument("--delay-ms", type=float, default=0.0, help="of the line, each way")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Lan(Path(folder)) as lan:
        colony, hives = build(lan)
        if asked.delay_ms:
            with lan.delay(asked.delay_ms / 1000, colony.queen.host):
                costs = measure(colony, hives, asked.requests, asked.streams)
        else:
            costs = measure(colony, hives, asked.requests, asked.streams)
    report(costs, asked.delay_ms)


def build(lan: Lan) -> tuple[HostColony, dict[str, Daemon]]:
    """The colony, with one warm worker behind each way."""
    colony = HostColony(lan)
    settings = {"hive_id": "here", "scripted_engine": 1, "scripted_models": "scripted-here"}
    local = Daemon(colony.queen.host, "hive", key=KEY, settings=settings, slots=SLOTS).start()
    hives = {
        "here": local,
        "direct": colony.hive("direct", slots=SLOTS),
        "tunnel": colony.hive("tunnel", outbound_only=1, slots=SLOTS),
    }
    colony.wait_up(*WAYS)
    for way in WAYS:
        colony.say(f"scripted-{way}")
        until_now(lambda way=way: route_of(colony, way) == ROUTES.get(way, way))
    time.sleep(SETTLE_S)
    return colony, hives


def route_of(colony: HostColony, hive: str) -> str | None:
    """How the queen reaches the one worker of a hive."""
    rows = colony.glance().of(hive)
    return rows[0].route if rows else None


def measure(
    colony: HostColony, hives: dict[str, Daemon], requests: int, streams: int
) -> dict[str, Cost]:
    """First tokens in turns, then CPU one way after the other."""
    first: dict[str, list[float]] = {way: [] for way in WAYS}
    with colony.queen.host.network(), client() as http:
        for _ in range(requests):
            for way in WAYS:
                first[way].append(first_token_ms(http, way))
    return {way: Cost(first[way], cpu(colony, hives[way], way, streams)) for way in WAYS}


def client() -> httpx2.Client:
    """A client on the queen's own host, as a program of her machine would be."""
    return httpx2.Client(
        base_url=f"http://127.0.0.1:{PORT}",
        headers={"Authorization": f"Bearer {KEY}"},
        timeout=60.0,
        trust_env=False,
    )


def ask(way: str, tokens: int, every_s: float) -> dict[str, object]:
    """A streamed chat with so many tokens, so far apart."""
    script = f'[[script {{"tokens": {tokens}, "delay_token_s": {every_s}}}]]'
    turns = [{"role": "user", "content": f"hello {script}"}]
    return {"model": f"scripted-{way}", "messages": turns, "stream": True, "max_tokens": 100_000}


def first_token_ms(http: httpx2.Client, way: str) -> float:
    """From the request to the first content, in milliseconds."""
    began = time.perf_counter()
    found: float | None = None
    body = ask(way, TOKENS_FIRST, 0.0)
    with http.stream("POST", "/v1/chat/completions", json=body) as answer:
        for line in answer.iter_lines():
            if found is None and '"content"' in line:
                found = (time.perf_counter() - began) * 1000
    if found is None:
        raise SystemExit(f"{way}: no token; HTTP {answer.status_code}")
    return found


def cpu(colony: HostColony, hive: Daemon, way: str, streams: int) -> dict[str, float]:
    """CPU of each process for an event, in microseconds, in a window of paced streams."""
    watched = {
        "queen": [colony.queen.process.pid],
        "hive": [hive.process.pid],
        "worker": list(hive.workers()),
    }
    idle = used(watched, WINDOW_S / 2)
    with colony.queen.host.network():
        lines = [stream(way) for _ in range(streams)]
    events = [0] * streams

    def read(at: int) -> None:
        with contextlib.suppress(OSError):
            while piece := lines[at].recv(65_536):
                events[at] += piece.count(b'"content"')

    readers = [threading.Thread(target=read, args=(at,), daemon=True) for at in range(streams)]
    for reader in readers:
        reader.start()
    time.sleep(SETTLE_S)
    before = sum(events)
    busy = used(watched, WINDOW_S)
    seen = sum(events) - before
    for line in lines:
        line.shutdown(socket.SHUT_RDWR)
        line.close()
    return {name: max(0.0, busy[name] - idle[name] * 2) / seen * 1e6 for name in watched}


def stream(way: str) -> socket.socket:
    """A streamed chat that goes on for longer than the window."""
    body = json.dumps(ask(way, int(4 * WINDOW_S / EVERY_S), EVERY_S)).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost:{PORT}\r\n"
        f"Authorization: Bearer {KEY}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    line = socket.create_connection(("127.0.0.1", PORT))
    line.sendall(head.encode() + body)
    return line


def used(watched: dict[str, list[int]], window_s: float) -> dict[str, float]:
    """Seconds of CPU that each group of processes used in a window."""
    before = {name: sum(map(spent, pids)) for name, pids in watched.items()}
    time.sleep(window_s)
    return {name: sum(map(spent, pids)) - before[name] for name, pids in watched.items()}


def spent(pid: int) -> float:
    """User and system time of a process so far, in seconds."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def report(costs: dict[str, Cost], delay_ms: float) -> None:
    """One table for people, one line of JSON for machines."""
    print(f"{platform.machine()}, line delay {delay_ms:g} ms each way")
    print(f"{'way':8} {'first p50':>10} {'p95':>8} {'added':>8}   CPU an event (µs)")
    base = statistics.median(costs["here"].first_ms)
    for way, cost in costs.items():
        middle = statistics.median(cost.first_ms)
        parts = ", ".join(f"{name} {value:.0f}" for name, value in cost.cpu_us.items())
        total = sum(cost.cpu_us.values())
        print(
            f"{way:8} {middle:7.2f} ms {p95(cost.first_ms):5.2f} ms {middle - base:+5.2f} ms"
            f"   {total:.0f} ({parts})"
        )
    figures = {
        way: {"first_ms": statistics.median(c.first_ms), **c.cpu_us} for way, c in costs.items()
    }
    print(json.dumps({"delay_ms": delay_ms, "ways": figures}))


def p95(numbers: Sequence[float]) -> float:
    """The 95th percentile."""
    return sorted(numbers)[int(len(numbers) * 0.95)]


if __name__ == "__main__":
    main()
