"""How many linked hives a queen carries: their beats at 1 Hz over real sockets.

The queen is a real one in a process of her own; the hives are simulated by load
processes that do nothing else: each hive is a WebSocket of its own with the real
handshake, the real HELLO, and beats with changing figures of as many workers as asked
for, spread evenly over the second. Connects are staggered. As a real hive does, each
asks for an answer with every other beat; the time until that answer is the lag, which
includes whatever the load process itself was late.

Measured over the window: the queen's share of a core, the lag (median, p99, worst),
her memory, and whether every beat was taken.

    .venv/bin/python benchmarks/links.py [--hives 10000] [--seconds 30] [--workers 4]
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from registry_ingest import beat_of, queen_process

from rbee.contracts.hives import Capabilities
from rbee.foundation.mux import frames, websocket
from rbee.testing.waiting import until_now

PER_PROCESS_MAX: Final = 5_000
CONNECTS_A_SECOND: Final = 500
AT_ONCE: Final = 64  # handshakes under way in one load process
TICK_S: Final = 0.002
ASK_EVERY: Final = 2  # beats; as rbee.hive.link.uplink has it
FILES_SPARE: Final = 200  # descriptors that a process needs beside its sockets
SETTLE_S: Final = 3.0
CONNECT_S: Final = 90.0  # at a tenth of the rate that is tried
SHARE_MAX: Final = 100.0  # percent of a core
HTTP_OK_HEAD: Final = b"HTTP/1.1 101"
NO_MASK: Final = b"\0\0\0\0"  # the queen unmasks all the same; the load's own CPU is spared


class Seen(NamedTuple):
    """What one load process saw in its window."""

    sent: int
    asked: int
    lost: int
    lags_ms: list[float]


# ── one load process ──────────────────────────────────────────────────────────


class Hive(asyncio.Protocol):
    """One simulated hive."""

    def __init__(self, number: int, port: int, workers: int, lags_ms: list[float]) -> None:
        self.number = number
        self.up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lost = False
        self.beats = 0
        self._port = port
        self._workers = workers
        self._lags_ms = lags_ms
        self._asked_at = 0.0
        self._held = b""
        self._shaken = False
        self._reader = websocket.Reader(
            self._take, lambda _opcode, _payload: None, masked=False, size_max=1 << 20
        )
        self._variants = [_variant(number, workers, busy) for busy in (0, 1)]
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Shake hands."""
        self.transport = transport  # pyright: ignore[reportAttributeAccessIssue]  TCP gives no other
        transport.max_size = 16_384  # pyright: ignore[reportAttributeAccessIssue]  public, untyped
        self.write(
            f"GET /v1/hive/link HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        if self.transport is not None:
            self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        """The handshake's answer, the welcome, acks."""
        if self._shaken:
            self._reader.feed(data)
            return
        self._held += data
        if b"\r\n\r\n" in self._held:
            if not self._held.startswith(HTTP_OK_HEAD):
                raise RuntimeError(self._held[:300].decode())
            self._shaken = True
            hello = frames.Hello(
                version=frames.VERSION, hive_id=f"hive-{self.number}", session=f"{self.number:032x}"
            )
            payload = frames.head(frames.HELLO) + msgspec.json.encode(hello)
            self.write(websocket.frame(websocket.BINARY, payload, NO_MASK))

    def connection_lost(self, exc: Exception | None) -> None:
        """The queen closed it: that must not happen."""
        self.lost = True
        if not self.up.done():
            self.up.set_exception(ConnectionResetError(f"hive {self.number} was refused: {exc}"))

    def _take(self, message: bytes) -> None:
        if message[0] == frames.HELLO:
            self.up.set_result(None)
        elif message[0] == frames.ACK and self._asked_at:
            self._lags_ms.append((time.perf_counter() - self._asked_at) * 1e3)
            self._asked_at = 0.0

    def _tell_all(self) -> None:
        """Models and keys, as a hive that joins; later beats are the short ones."""
        full = beat_of(self.number, stamp=1.0, busy=0)
        full.workers = full.workers[: self._workers]
        full.capabilities = Capabilities(devices=[], cpu_cores=8, total_ram_gb=64.0)
        payload = frames.head(frames.BEAT) + msgspec.json.encode(full)
        self.write(websocket.frame(websocket.BINARY, payload, NO_MASK))

    def beat(self) -> bool:
        """Send the next beat; whether it asked for an answer."""
        before, after = self._variants[self.beats % 2]
        if not self.beats:
            self._tell_all()
        self.beats += 1
        ask = self.beats % ASK_EVERY == 0 and not self._asked_at
        if ask:
            self._asked_at = time.perf_counter()
        payload = b"%b%b%.6f%b" % (frames.head(frames.BEAT, ask), before, time.time(), after)
        # ``frame`` would mask: the head is made with a bit that says so and a key of zeros.
        head = (
            b"\x82\xfe%b" % len(payload).to_bytes(2)
            if len(payload) < 1 << 16
            else b"\x82\xff%b" % len(payload).to_bytes(8)
        )
        self.write(head + NO_MASK + payload)
        return ask


def _variant(number: int, workers: int, busy: int) -> tuple[bytes, bytes]:
    """A beat's JSON, cut at its timestamp. Models and keys were told in the first second."""
    beat = beat_of(number, stamp=123456.5, busy=busy)
    beat.workers = beat.workers[:workers]
    before, _, after = msgspec.json.encode(beat).partition(b"123456.5")
    return before, after


async def load(first: int, count: int, port: int, workers: int, rate: float, out: Path) -> None:
    """Connect and beat from then on; in the window that is asked for, count."""
    lags_ms: list[float] = []
    hives = [Hive(first + n, port, workers, lags_ms) for n in range(count)]
    counts = [0, 0]  # sent, asked
    beating = asyncio.create_task(_beat(hives, counts))
    await _connect(hives, port, rate)
    (out / f"up-{first}").touch()
    while not (out / "go").exists():  # noqa: ASYNC110  another process says it
        await asyncio.sleep(TICK_S)
    lags_ms.clear()
    before = list(counts)
    await asyncio.sleep(float((out / "go").read_text()))
    sent, asked = (now - then for now, then in zip(counts, before, strict=True))
    lost = sum(hive.lost for hive in hives)
    seen = json.dumps([sent, asked, lost, list(lags_ms)])
    (out / f"seen-{first}.json").write_text(seen)
    await asyncio.sleep(60.0)  # until it is killed: the others measure still
    beating.cancel()


async def _beat(hives: list[Hive], counts: list[int]) -> None:
    """Each hive that is up, once a second, evenly spread over it."""
    began, turn, count = time.perf_counter(), 0, len(hives)
    while True:
        due = int((time.perf_counter() - began) * count)
        while turn < due:
            hive = hives[turn % count]
            if hive.up.done():
                counts[1] += hive.beat()
                counts[0] += 1
            turn += 1
        await asyncio.sleep(TICK_S)


async def _connect(hives: list[Hive], port: int, rate: float) -> None:
    """Staggered; each tells everything with its first beat, as a hive does that joins."""
    room = asyncio.Semaphore(AT_ONCE)
    loop = asyncio.get_running_loop()

    async def one(hive: Hive) -> None:
        async with room:
            await loop.create_connection(lambda: hive, "127.0.0.1", port)
            await hive.up

    began = loop.time()
    async with asyncio.TaskGroup() as tasks:
        for number, hive in enumerate(hives):
            await asyncio.sleep(max(0.0, began + number / rate - loop.time()))
            tasks.create_task(one(hive))


# ── the whole ─────────────────────────────────────────────────────────────────


def spread(hives: int) -> list[tuple[int, int]]:
    """(first number, how many) for each load process."""
    return [
        (first, min(PER_PROCESS_MAX, hives - first)) for first in range(0, hives, PER_PROCESS_MAX)
    ]


def allowed(hives: int) -> int:
    """As many hives as this system lets a process have sockets for."""
    if sys.platform == "win32":
        return hives
    import resource  # noqa: PLC0415  there is none on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hives + FILES_SPARE
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))  # children inherit it
    return min(hives, soft - FILES_SPARE)


def main() -> None:
    """Measure, print, and end with 1 when a link was lost or a whole core was not enough."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hives", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--load", nargs=2, type=int, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.load:
        first, count = asked.load
        rate = CONNECTS_A_SECOND * count / asked.hives
        asyncio.run(load(first, count, asked.port, asked.workers, rate, asked.out))
        return
    raise SystemExit(measure(allowed(asked.hives), asked.seconds, asked.workers))


def measure(hives: int, seconds: float, workers: int) -> int:
    """Run the colony; returns the exit code."""
    with queen_process() as (port, process):
        out = Path(tempfile.mkdtemp(prefix="rbee-links-"))
        empty_mb = process.memory_info().rss / 1e6
        loads = [
            subprocess.Popen(
                [
                    *(sys.executable, __file__, "--load", str(first), str(count)),
                    *("--port", str(port), "--out", str(out)),
                    *("--hives", str(hives), "--workers", str(workers)),
                ]
            )
            for first, count in spread(hives)
        ]
        try:
            began = time.perf_counter()
            ups = [out / f"up-{first}" for first, _ in spread(hives)]
            until_now(lambda: all(up.exists() for up in ups), within_s=CONNECT_S)
            connected_s = time.perf_counter() - began
            time.sleep(SETTLE_S)
            before, began = process.cpu_times(), time.perf_counter()
            (out / "go.new").write_text(str(seconds))
            (out / "go.new").rename(out / "go")
            time.sleep(seconds)
            after, wall_s = process.cpu_times(), time.perf_counter() - began
            full_mb = process.memory_info().rss / 1e6
            files = [out / f"seen-{first}.json" for first, _ in spread(hives)]
            until_now(lambda: all(file.exists() for file in files), within_s=10.0)
            time.sleep(0.2)
            seen = [Seen(*json.loads(file.read_text())) for file in files]
        finally:
            for one in loads:
                one.kill()
                one.wait()
            for left in out.iterdir():
                left.unlink()
            out.rmdir()
    cpu_s = after.user + after.system - before.user - before.system
    return report(hives, workers, connected_s, cpu_s, wall_s, empty_mb, full_mb, seen)


def report(
    hives: int,
    workers: int,
    connected_s: float,
    cpu_s: float,
    wall_s: float,
    empty_mb: float,
    full_mb: float,
    seen: list[Seen],
) -> int:
    """Print; returns the exit code."""
    sent, asked = sum(one.sent for one in seen), sum(one.asked for one in seen)
    lost = sum(one.lost for one in seen)
    lags = sorted(lag for one in seen for lag in one.lags_ms)
    share = 100 * cpu_s / wall_s
    cuts = statistics.quantiles(lags, n=100)
    print(f"{hives:,} hives with {workers} workers each, linked in {connected_s:.1f} s")
    print(f"  {sent / wall_s:,.0f} beats a second, {asked / wall_s:,.0f} answers asked for")
    print(f"  queen: {share:.1f} % of a core, {cpu_s / sent * 1e6:.1f} µs a beat")
    print(
        f"  lag of an answer: median {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms, worst {lags[-1]:.1f} ms"
        f" ({asked - len(lags)} unanswered)"
    )
    print(
        f"  memory: {empty_mb:.0f} MB empty, {full_mb:.0f} MB with all: "
        f"{(full_mb - empty_mb) / hives * 1e3:.1f} kB a hive"
    )
    print(f"  links lost: {lost}")
    return 1 if lost or share > SHARE_MAX else 0


if __name__ == "__main__":
    main()
