"""How many beats a second the queen's registry takes: decoded ones, and POSTed ones.

Decoded: hives of four workers each beat in turn, as values, into the real ``Colony``;
their figures change with every beat, and one beat in a hundred brings a change that
the queue must hear of. No sockets, no JSON: that is what a link will cost. Beside it,
what a name's look-up and a worker's cost while beats come in.

POSTed: a real queen in a process of her own, and clients with kept connections that
POST prebuilt beats as fast as they are answered.

    .venv/bin/python benchmarks/registry_ingest.py [--hives 10000] [--seconds 5] [--no-post]
"""

import argparse
import asyncio
import contextlib
import gc
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from typing import NamedTuple

import httpx2
import msgspec
import psutil

from rbee.contracts.hives import Heartbeat
from rbee.queen.registry.colony import Colony
from rbee.testing.raw_worker import beat, ready_worker
from rbee.testing.waiting import until_now
from rbee.testing.workers import free_port

WORKERS_A_HIVE = 4
MUST_A_SECOND = 10_000.0
CONNECTIONS = 32
START_S = 30.0


class Ingest(NamedTuple):
    """Beats taken, and the CPU that they took."""

    beats: int
    cpu_s: float
    wall_s: float

    @property
    def cost_us(self) -> float:
        """Microseconds of CPU a beat."""
        return self.cpu_s / self.beats * 1e6


def beat_of(hive: int, *, stamp: float, busy: int, status: str = "ready") -> Heartbeat:
    """A hive's second: four workers on a machine of its own, one of two hundred models."""
    workers = [
        msgspec.structs.replace(
            ready_worker(f"w{hive}-{n}", 9001 + n, model=f"model-{(hive + n) % 200}", slots=4),
            address="10.0.0.7",
            slots_busy=busy,
            queued=0,
            cpu_pct=float(busy),
            gpu_util_pct=busy * 7.5,
            tokens_per_s=30.0 + busy,
        )
        for n in range(WORKERS_A_HIVE)
    ]
    workers[0].status = status  # pyright: ignore[reportAttributeAccessIssue]  a literal of the contract
    message = beat(workers, hive_id=f"hive-{hive}", at=stamp)
    message.hive_info.hostname = f"machine-{hive}"
    message.hive_info.address = "10.0.0.7"
    if stamp > 2.0:
        message.models = message.worker_keys = None
    return message


def decoded(hives: int, seconds: float) -> tuple[Ingest, Ingest]:
    """The first beats of all hives, and as many later ones as the time allows."""
    colony = Colony(hostname="here")
    heard = [0]

    def listen() -> None:
        heard[0] += 1

    colony.subscribe(listen)
    joins = [beat_of(hive, stamp=2.0, busy=0) for hive in range(hives)]
    rounds = [
        [
            beat_of(hive, stamp=3.0 + turn, busy=turn % 4, status=_status(hive, turn))
            for hive in range(hives)
        ]
        for turn in range(2)
    ]
    gc.collect()
    gc.freeze()  # what this benchmark prepared is not the queen's to look through
    first = _feed(colony, joins, now=2.0)
    later = Ingest(0, 0.0, 0.0)
    turn = 0
    while later.wall_s < seconds:
        batch = rounds[turn % 2]
        for message in batch:
            message.timestamp = 3.0 + turn
        fed = _feed(colony, batch, now=3.0 + turn)
        later = Ingest(later.beats + fed.beats, later.cpu_s + fed.cpu_s, later.wall_s + fed.wall_s)
        colony.sweep(3.0 + turn)
        turn += 1
    print(f"  changes told to listeners: {heard[0]:,} of {first.beats + later.beats:,} beats")
    return first, later


def _status(hive: int, turn: int) -> str:
    """Load moves workers between ready and busy; one hive in a hundred drains one now and then."""
    if hive % 100 == 0 and turn:
        return "draining"
    return "busy" if (hive + turn) % 3 else "ready"


def _feed(colony: Colony, beats: list[Heartbeat], *, now: float) -> Ingest:
    began, cpu = time.perf_counter(), time.thread_time()
    for message in beats:
        colony.beat(message, now)
    return Ingest(len(beats), time.thread_time() - cpu, time.perf_counter() - began)


@contextlib.contextmanager
def queen_process() -> Generator[tuple[int, psutil.Process]]:
    """A real queen with directories of her own."""
    with tempfile.TemporaryDirectory(prefix="rbee-bench-") as home:
        port = free_port()
        env = {name: value for name, value in os.environ.items() if not name.startswith("RBEE_")}
        env |= {f"RBEE_{name}_DIR": str(Path(home) / name) for name in ("CONFIG", "CACHE", "DATA")}
        env["RBEE_QUEEN_PORT"] = str(port)
        env["RBEE_QUEEN_STORE"] = "memory"
        process = subprocess.Popen(
            [sys.executable, "-m", "rbee", "queen", "run"],
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            until_now(lambda: _answers(port), within_s=START_S)
            yield port, psutil.Process(process.pid)
        finally:
            process.kill()
            process.wait()


def _answers(port: int) -> bool:
    with contextlib.suppress(httpx2.HTTPError):
        return httpx2.get(f"http://127.0.0.1:{port}/health").is_success
    return False


def _request(port: int, message: Heartbeat) -> bytes:
    body = msgspec.json.encode(message)
    head = (
        f"POST /v1/hive-heartbeat HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def posted(port: int, hives: int, seconds: float) -> int:
    """POST beats over kept connections until the time is over; returns how many were taken."""
    requests = [
        [_request(port, beat_of(hive, stamp=2.0 + turn, busy=turn % 4)) for hive in range(hives)]
        for turn in range(2)
    ]
    taken = 0
    until = time.perf_counter() + seconds

    async def client(number: int) -> None:
        nonlocal taken
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        turn = 0
        while time.perf_counter() < until:
            for hive in range(number, hives, CONNECTIONS):
                writer.write(requests[min(turn, 1)][hive])
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                await reader.readexactly(length)
                if not head.startswith(b"HTTP/1.1 200"):
                    raise RuntimeError(head.decode())
                taken += 1
                if time.perf_counter() >= until:
                    break
            turn += 1
        writer.close()

    await asyncio.gather(*(client(number) for number in range(CONNECTIONS)))
    return taken


def main() -> None:
    """Measure, print, and end with 1 when decoded beats cost more than a core at 10,000/s."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hives", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--no-post", action="store_true")
    asked = parser.parse_args()
    print(f"{asked.hives:,} hives with {WORKERS_A_HIVE} workers each")
    first, later = decoded(asked.hives, asked.seconds)
    for what, ingest in (("joining", first), ("decoded", later)):
        share = ingest.cost_us * MUST_A_SECOND / 1e4
        print(
            f"  {what}: {ingest.cost_us:.1f} µs of CPU a beat, {1e6 / ingest.cost_us:,.0f} a second "
            f"on a core; {MUST_A_SECOND:,.0f} a second are {share:.0f} % of one"
        )
    if not asked.no_post:
        with queen_process() as (port, process):
            cpu = process.cpu_times()
            taken = asyncio.run(posted(port, min(asked.hives, 1_000), asked.seconds))
            used = process.cpu_times()
        cpu_s = used.user + used.system - cpu.user - cpu.system
        print(
            f"  posted: {taken / asked.seconds:,.0f} a second over {CONNECTIONS} connections, "
            f"{cpu_s / taken * 1e6:.0f} µs of the queen's CPU a beat: "
            f"{taken / cpu_s:,.0f} a second on a core of her own"
        )
    raise SystemExit(0 if later.cost_us * MUST_A_SECOND < 1e6 else 1)


if __name__ == "__main__":
    main()
