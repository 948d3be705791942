"""Connections to workers: opened, used again where that is safe, closed in time.

Event-driven engines keep connections for more requests (last in, first out: the
warmest one, and the rest grow old and go). llama.cpp's server gives each open
connection a thread of its own for as long as it is open, and now and then drops a
streamed request on one that is used again (engines.md), so it gets a fresh one each
time. ``unary_cancel`` tells the two apart: an engine that notices a leaving caller
is an event-driven one.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from rbee.queen.inference.upstream import Upstream, WorkerGone
from rbee.queen.registry.workers import RoutableWorker

P = TypeVar("P", bound=asyncio.Protocol)

CONNECT_S: Final = 5.0  # a worker's kernel answers at once; a machine that is gone does not
IDLE_S: Final = 4.0  # servers close idle connections after 5 s and more (uvicorn's default)
IDLE_PER_WORKER_MAX: Final = 256  # vLLM's default number of sequences at once
ERAS_MAX: Final = 100_000  # more than a queen's workers in a month; forgetting costs a connection
SWEEP_EVERY_S: Final = 1.0  # silence and idleness are judged this coarsely

_LOOPBACK: Final = ("127.", "::1")
"""Here the kernel connects at once or refuses, so nobody waits for it: a request is written
meanwhile, and a refusal comes as the connection's loss. Waiting would cost as much as relaying."""

Connect = Callable[[RoutableWorker, Callable[[], Upstream]], Awaitable[Upstream]]
"""Opens a connection: the seam where a simulated network takes the real one's place.

Raises OSError when the worker refuses or does not answer.
"""


async def connect_tcp(worker: RoutableWorker, make: Callable[[], P]) -> P:
    """A TCP connection to a worker of this machine; ``queen.routes`` has the others."""
    loop = asyncio.get_running_loop()
    if not worker.address.startswith(_LOOPBACK):
        async with asyncio.timeout(CONNECT_S):
            return (await loop.create_connection(make, worker.address, worker.port))[1]
    family = socket.AF_INET6 if ":" in worker.address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setblocking(False)  # noqa: FBT003  its only parameter
        sock.connect_ex((worker.address, worker.port))
        return (await loop.create_connection(make, sock=sock))[1]
    except BaseException:
        sock.close()
        raise


class Pool:
    """All connections to workers. ``run`` judges silence and closes what is idle.

    ``connected`` may be replaced: it hears a hive's id and how long a connection took.
    """

    def __init__(self, connect: Connect = connect_tcp) -> None:
        self._connect = connect
        self.connected: Callable[[str, float], None] = lambda _hive_id, _seconds: None
        self._idle: dict[tuple[str, int], list[Upstream]] = {}
        self._active: set[Upstream] = set()
        self._heads: dict[tuple[str, int, str], bytes] = {}
        self._eras: dict[str, int] = {}  # of workers to which a better way was found, how often

    async def run(self) -> None:
        """Sweep for ever."""
        while True:
            await asyncio.sleep(SWEEP_EVERY_S)
            self.sweep(asyncio.get_running_loop().time())

    def idle(self, worker: RoutableWorker) -> Upstream | None:
        """A connection to this worker that is open and has nothing to do, or None."""
        kept = self._idle.get((worker.worker_id, worker.generation))
        while kept:
            upstream = kept.pop()
            if not upstream.closed:
                self._active.add(upstream)
                return upstream
        return None

    async def fresh(self, worker: RoutableWorker) -> Upstream:
        """A new connection.

        Raises:
            WorkerGone: refused, or no answer in ``CONNECT_S``.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        era = self._eras.get(worker.worker_id, 0)
        try:
            upstream = await self._connect(worker, Upstream)
        except OSError as error:  # a timeout is one, without a text
            raise WorkerGone(
                f"The worker {worker.worker_id} cannot be reached on port {worker.port}: "
                f"{error.strerror or 'no answer'}."
            ) from None
        if worker.route == "local":  # other ways are open already, or measure themselves
            self.connected(worker.hive_id, loop.time() - began)
        upstream.era = era
        self._active.add(upstream)
        return upstream

    def give_back(self, upstream: Upstream, worker: RoutableWorker) -> None:
        """An exchange is over: keep its connection if it may be used again, else close it."""
        self._active.discard(upstream)
        if not (worker.unary_cancel and upstream.reusable) or (
            self._eras and upstream.era != self._eras.get(worker.worker_id, 0)
        ):
            upstream.abort()
            return
        key = (worker.worker_id, worker.generation)
        kept = self._idle.get(key)
        if kept is None:
            self._idle[key] = [upstream]
        elif len(kept) < IDLE_PER_WORKER_MAX:
            kept.append(upstream)
        else:
            upstream.abort()

    def forget_kept(self, worker_id: str) -> None:
        """A better way to this worker was found: connections of the old one are kept no more."""
        if len(self._eras) > ERAS_MAX:
            self._eras.clear()
        self._eras[worker_id] = self._eras.get(worker_id, 0) + 1
        for key in [key for key in self._idle if key[0] == worker_id]:
            for upstream in self._idle.pop(key):
                upstream.abort()

    def request(self, worker: RoutableWorker, path: str, body: bytes) -> bytes:
        """The bytes of a request; the head is made once per worker process and path."""
        key = (worker.worker_id, worker.generation, path)
        head = self._heads.get(key)
        if head is None:
            head = self._heads[key] = _head(worker, path)
        return b"%b%d\r\n\r\n%b" % (head, len(body), body)

    def sweep(self, now: float) -> None:
        """Judge the active connections, close the idle ones, forget workers that are gone."""
        for upstream in list(self._active):
            upstream.sweep(now)
        for key, kept in list(self._idle.items()):
            old = [one for one in kept if one.closed or now - one.heard_at > IDLE_S]
            for upstream in old:
                upstream.abort()
            left = [one for one in kept if one not in old]
            if left:
                self._idle[key] = left
            else:
                del self._idle[key]
        if len(self._heads) > IDLE_PER_WORKER_MAX:
            self._heads.clear()

    def close(self) -> None:
        """Close everything."""
        for upstream in [*self._active, *(one for kept in self._idle.values() for one in kept)]:
            upstream.abort()
        self._idle.clear()


def _head(worker: RoutableWorker, path: str) -> bytes:
    """The request's head up to the value of Content-Length."""
    host = f"[{worker.address}]" if ":" in worker.address else worker.address
    connection = "keep-alive" if worker.unary_cancel else "close"
    return (
        f"POST {path} HTTP/1.1\r\n"
        f"Host: {host}:{worker.port}\r\n"
        f"Authorization: Bearer {worker.key}\r\n"
        "Content-Type: application/json\r\n"
        "Accept: */*\r\n"
        f"Connection: {connection}\r\n"
        "Content-Length: "
    ).encode("latin-1")
