"""Scripted workers that may be killed by the thousand: real processes, forked in milliseconds.

A fresh interpreter takes a third of a second of CPU, a fork of one that has
imported everything takes 5 ms. ``Nursery`` keeps a fixed number of places; a
worker that dies in its place is followed by another, of the next generation, as
a hive would do it, and the queen is told so by a beat.

``python -m rbee.testing.nursery`` is the process that forks: one JSON line in
for each worker (``Order``), one out for each birth and death (``Word``). POSIX
only.
"""

import asyncio
import contextlib
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Final, NoReturn, Self

import httpx2
import msgspec

from rbee.contracts.hives import Heartbeat
from rbee.contracts.workers import WorkerStats
from rbee.testing.raw_worker import beat, ready_worker
from rbee.testing.workers import free_port
from rbee.worker.api import host
from rbee.worker.settings import WorkerSettings

KEY: Final = "a-key-of-the-nursery"
CONTEXT_TOKENS: Final = 8_192  # more than any answer of a drill
BEAT_S: Final = 1.0  # as hives send them
READY_S: Final = 20.0  # tens of milliseconds; a busy machine of two cores needs more
_LOOK_EVERY_S: Final = 0.002  # a part of the 20 ms that a fork needs to listen
_NAMES: Final = ("scripted-drill",)


class Order(msgspec.Struct):
    """Start a worker in this place."""

    place: int
    port: int
    generation: int


class Word(msgspec.Struct):
    """A worker was born, or has died. ``pid`` is its process."""

    place: int
    pid: int
    generation: int
    died: bool


class Worker(msgspec.Struct):
    """Who sits in a place now."""

    place: int
    port: int
    pid: int
    generation: int

    @property
    def id(self) -> str:
        """The id that the queen knows: of the place, not of the process."""
        return f"w{self.place}"

    def kill(self) -> None:
        """End its process as the kernel would for want of memory; again is harmless."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def stats(self, slots: int) -> WorkerStats:
        """Its row in a beat."""
        row = ready_worker(self.id, self.port, model="drill", slots=slots)
        return msgspec.structs.replace(
            row, pid=self.pid, generation=self.generation, context_length=CONTEXT_TOKENS
        )


class Nursery:
    """``size`` scripted workers and the hive in front of them. Use as an async context.

    The model is ``drill``, also known as ``scripted-drill``. ``deaths`` counts.
    """

    def __init__(self, directory: Path, queen_url: str, *, size: int, slots: int = 1) -> None:
        self.workers: dict[str, Worker] = {}
        self.deaths = 0
        self._directory = directory
        self._queen = httpx2.AsyncClient(base_url=queen_url)
        self._size = size
        self._slots = slots
        self._hive_port = free_port()  # nobody listens: this hive takes no commands
        self._process: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._ports: dict[tuple[int, int], int] = {}
        self._changed = asyncio.Event()  # for those who tell the queen
        self._born = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Start the workers and wait until the queen knows them all."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "rbee.testing.nursery", str(self._directory), str(self._slots),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._tell())]
        for place in range(self._size):
            self._order(place, generation=1)
        async with asyncio.timeout(READY_S):
            while len(self.workers) < self._size:
                await self._born.wait()
                self._born.clear()
        await self._beat()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End all workers, then the process that made them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._process is not None:
            if self._process.stdin is not None:
                self._process.stdin.close()
            await self._process.wait()
        await self._queen.aclose()

    def _order(self, place: int, *, generation: int) -> None:
        order = Order(place, free_port(), generation)
        self._ports[place, generation] = order.port
        assert self._process is not None  # noqa: S101  made by __aenter__
        assert self._process.stdin is not None  # noqa: S101  a pipe was asked for
        self._process.stdin.write(msgspec.json.encode(order) + b"\n")

    async def _listen(self) -> None:
        assert self._process is not None  # noqa: S101  made by __aenter__
        assert self._process.stdout is not None  # noqa: S101  a pipe was asked for
        async with asyncio.TaskGroup() as group:
            while line := await self._process.stdout.readline():
                word = msgspec.json.decode(line, type=Word)
                if word.died:
                    self.deaths += 1
                    self.workers.pop(f"w{word.place}", None)
                    self._order(word.place, generation=word.generation + 1)
                else:
                    group.create_task(self._welcome(word))

    async def _welcome(self, word: Word) -> None:
        """Wait until a new worker listens, then let the queen know."""
        port = self._ports.pop((word.place, word.generation))
        async with asyncio.timeout(READY_S):
            while not await _listens(port):  # noqa: ASYNC110  no event tells of another process
                await asyncio.sleep(_LOOK_EVERY_S)
        worker = Worker(word.place, port, word.pid, word.generation)
        self.workers[worker.id] = worker
        self._born.set()
        self._changed.set()

    async def _tell(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), BEAT_S)
            self._changed.clear()
            await self._beat()

    async def _beat(self) -> None:
        rows = [worker.stats(self._slots) for worker in self.workers.values()]
        told: Heartbeat = beat(rows, at=time.time(), names=_NAMES)
        told.hive_info.port = self._hive_port
        told.worker_keys = {row.worker_id: KEY for row in rows}
        answer = await self._queen.post("/v1/hive-heartbeat", content=msgspec.json.encode(told))
        answer.raise_for_status()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


# ── the process that forks ────────────────────────────────────────────────────


def main(directory: Path, slots: int) -> None:
    """Fork a worker for each order until stdin ends, then end them all."""
    key_file = directory / "key"
    key_file.write_text(KEY, encoding="ascii")
    wakes, woken = socket.socketpair()
    woken.setblocking(False)  # noqa: FBT003  the name says it
    signal.set_wakeup_fd(woken.fileno())
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    living: dict[int, Order] = {}
    orders = b""
    try:
        while True:
            ready, _, _ = select.select([0, wakes], [], [])
            if wakes in ready:
                wakes.recv(4096)
                _bury(living)
            if 0 in ready:
                piece = os.read(0, 65_536)
                if not piece:
                    return
                *lines, orders = (orders + piece).split(b"\n")
                for line in lines:
                    order = msgspec.json.decode(line, type=Order)
                    living[_born(order, key_file, slots, (wakes, woken))] = order
    finally:
        for pid in living:
            os.kill(pid, signal.SIGKILL)


def _born(
    order: Order, key_file: Path, slots: int, sockets: tuple[socket.socket, socket.socket]
) -> int:
    pid = os.fork()
    if pid == 0:
        _live(order, key_file, slots, sockets)
    _say(Word(order.place, pid, order.generation, died=False))
    return pid


def _live(
    order: Order, key_file: Path, slots: int, sockets: tuple[socket.socket, socket.socket]
) -> NoReturn:
    """Be a worker; never returns into the parent's loop."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for end in sockets:
        end.close()
    os.close(0)
    settings = WorkerSettings(
        engine="scripted",
        model=Path(),
        alias="drill",
        host="127.0.0.1",
        port=order.port,
        key_file=key_file,
        context_tokens=CONTEXT_TOKENS,
        slots=slots,
    )
    try:
        host.serve(settings)
    finally:
        os._exit(1)


def _bury(living: dict[int, Order]) -> None:
    while living:
        pid, _ = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        order = living.pop(pid)
        _say(Word(order.place, pid, order.generation, died=True))


def _say(word: Word) -> None:
    os.write(1, msgspec.json.encode(word) + b"\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
