"""What the state stream costs the queen: CPU and bytes, by how many watch.

A real queen in a process of her own and a played colony at her (``rbee.testing.big_colony``:
links, beats at 1 Hz, figures that change every second) in another. Watchers are plain sockets
that read and count, in this process; they take gzip, as browsers do. Measured for each number
of watchers over the window: the queen's share of a core less what she needs with nobody
watching, the bytes each one got per second, the longest pause between two messages, and how
long a newcomer waits for his snapshot.

    .venv/bin/python benchmarks/state_stream.py [--hives 100] [--gpus 8] [--workers 10]
        [--watchers 0,1,10,100] [--seconds 15] [--restart]

``--restart`` also kills the queen under ten watchers and says how soon all have every row again.
"""

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import time
import zlib
from collections.abc import Generator
from pathlib import Path
from typing import Final, NamedTuple

import psutil

from rbee.testing.big_colony.__main__ import own_queen
from rbee.testing.colony import DaemonUnderTest

SETTLE_S: Final = 6.0  # all hives are linked, models and devices were told
RETRY_S: Final = 0.3  # as browsers' clients knock at first
RESULTS: Final = Path(__file__).parent / "results" / "state_stream.json"


class Row(NamedTuple):
    """What was measured with so many watchers. Shares in per cent of a core."""

    watchers: int
    queen_pct: float
    more_pct: float
    bytes_s: float
    message_bytes: float
    gap_ms_max: float
    snapshot_ms: float
    snapshot_bytes: int


class Watcher:
    """One who watches: reads, unpacks just enough to see where messages end, counts."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.bytes = 0
        self.messages = 0
        self.gap_s = 0.0
        self.snapshot_s = 0.0
        self.snapshot_bytes = 0
        self.last_id = ""
        self._heard_at = 0.0

    async def run(self) -> None:
        """Connect and read until cancelled."""
        began = time.perf_counter()
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 22)
        resume = f"Last-Event-ID: {self.last_id}\r\n" if self.last_id else ""
        writer.write(
            f"GET /v1/state/stream HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
            f"Accept-Encoding: gzip\r\n{resume}\r\n".encode()
        )
        try:
            await reader.readuntil(b"\r\n\r\n")
            await self._read(reader, began)
        finally:
            writer.close()

    async def _read(self, reader: asyncio.StreamReader, began: float) -> None:
        unpack = zlib.decompressobj(16 + zlib.MAX_WBITS)
        while True:
            size = int(await reader.readuntil(b"\r\n"), 16)
            if not size:
                return
            chunk = (await reader.readexactly(size + 2))[:-2]
            self.bytes += size
            if size < 200 and not self.snapshot_bytes:  # the greeting
                unpack.decompress(chunk)
                continue
            now = time.perf_counter()
            if not self.snapshot_bytes:
                self.snapshot_s, self.snapshot_bytes = now - began, size
                text = unpack.decompress(chunk, 200)
                self.last_id = text.partition(b"\n")[0][4:].decode()
            else:
                self.gap_s = max(self.gap_s, now - self._heard_at)
            self._heard_at = now
            self.messages += 1

    def forget(self) -> None:
        """The window begins."""
        self.bytes = self.messages = 0
        self.gap_s = 0.0


@contextlib.contextmanager
def played(url: str, hives: int, gpus: int, workers: int) -> Generator[None]:
    """A colony that is played at a queen, in a process of its own."""
    words = ["any", "--queen", url, "--clients", "0"]
    words += ["--hives", str(hives), "--gpus", str(gpus), "--workers", str(workers)]
    process = subprocess.Popen(
        [sys.executable, "-m", "rbee.testing.big_colony", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


async def measure(queen: DaemonUnderTest, watchers: int, seconds: float, base_pct: float) -> Row:
    """One number of watchers."""
    process = psutil.Process(queen.pid)
    those = [Watcher(queen.port) for _ in range(watchers)]
    tasks = [asyncio.create_task(one.run()) for one in those]
    await asyncio.sleep(3.0)
    for one in those:
        one.forget()
    before, began = process.cpu_times(), time.perf_counter()
    await asyncio.sleep(seconds)
    after, took = process.cpu_times(), time.perf_counter() - began
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    queen_pct = (after.user + after.system - before.user - before.system) / took * 100
    count = max(1, watchers)
    messages = max(1, sum(one.messages for one in those))
    return Row(
        watchers=watchers,
        queen_pct=round(queen_pct, 1),
        more_pct=round(queen_pct - base_pct, 1),
        bytes_s=round(sum(one.bytes for one in those) / count / took),
        message_bytes=round(sum(one.bytes for one in those) / messages),
        gap_ms_max=round(max((one.gap_s for one in those), default=0.0) * 1e3),
        snapshot_ms=round(max((one.snapshot_s for one in those), default=0.0) * 1e3),
        snapshot_bytes=max((one.snapshot_bytes for one in those), default=0),
    )


async def restart(queen: DaemonUnderTest, workers: int) -> tuple[float, float]:
    """Kill the queen; how long she takes to answer, and then until a snapshot has all workers."""
    queen.kill()
    began = time.perf_counter()
    await asyncio.to_thread(queen.start)
    up_s = time.perf_counter() - began
    while True:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            async with asyncio.timeout(5.0):
                if await rows(queen.port) >= workers:
                    return up_s, time.perf_counter() - began - up_s
        await asyncio.sleep(RETRY_S)


async def rows(port: int) -> int:
    """How many workers a newcomer's snapshot has that take requests."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
    writer.write(f"GET /v1/state/stream HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    try:
        while True:
            line = await reader.readuntil(b"\n")
            if line.startswith(b"data: "):
                workers = json.loads(line[6:])["tables"]["workers"].values()
                return sum(one["serving"] for one in workers)
    finally:
        writer.close()


async def main() -> None:
    """Measure and write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hives", type=int, default=100)
    parser.add_argument("--gpus", type=int, default=8)
    parser.add_argument("--workers", type=int, default=10)
    parser.add_argument("--watchers", default="0,1,10,100")
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--restart", action="store_true")
    options = parser.parse_args()
    found: list[Row] = []
    with own_queen() as queen, played(queen.url, options.hives, options.gpus, options.workers):
        await asyncio.sleep(SETTLE_S + options.hives / 50)
        for watchers in map(int, options.watchers.split(",")):
            base_pct = found[0].queen_pct if found else 0.0
            row = await measure(queen, watchers, options.seconds, base_pct)
            found.append(row)
            print(row)
        if options.restart:
            up_s, whole_s = await restart(queen, options.hives * options.workers)
            print(f"restart: she answers after {up_s:.2f} s, all rows {whole_s:.2f} s later")
    RESULTS.write_text(json.dumps([row._asdict() for row in found], indent=2) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
