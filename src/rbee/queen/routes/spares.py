"""Connections that are ready before they are wanted.

A direct connection to another machine costs two round trips and a handshake. Engines like
llama.cpp's server want a fresh one for each request, so a worker in use has a few open
already: the worker's side of it (``rbee.worker.tls``) opens nothing at the engine before
the first byte. They are used once; a worker that nobody asks for a minute has none.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar, cast

from rbee.queen.routes.choice import Direct

P = TypeVar("P", bound=asyncio.Protocol)

SPARES_MAX: Final = 4  # as many requests begin in the time of one handshake at 50 ms and 80/s
USED_S: Final = 60.0  # the worker closes what is silent for two minutes

Open = Callable[[Direct, Callable[[], "Spare"]], Awaitable["Spare"]]
"""Opens a connection by a proved way. Raises OSError."""


class Spare(asyncio.Protocol):
    """An open connection that waits for its use."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """A worker speaks when it is asked; this one is none of ours any more."""
        del data
        self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Of no use any more."""
        del exc
        self._transport = None

    @property
    def open(self) -> bool:
        """Whether it can be used."""
        return self._transport is not None and not self._transport.is_closing()

    def become(self, make: Callable[[], P]) -> P | None:
        """Hand the connection over to a new protocol; None: it is gone."""
        transport = self._transport
        if transport is None or not self.open:
            return None
        self._transport = None
        protocol = make()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        return protocol

    def close(self) -> None:
        """Close it."""
        if self._transport is not None:
            self._transport.abort()


class Spares:
    """All of them, by worker."""

    def __init__(self, open_: Open) -> None:
        self._open = open_
        self._kept: dict[str, list[Spare]] = {}
        self._used_at: dict[str, float] = {}
        self._opening: dict[str, asyncio.Task[None]] = {}

    def take(self, known: Direct, make: Callable[[], P], now: float) -> P | None:
        """A connection that is open already; None: there is none. Others will be opened."""
        worker_id = known.place.worker_id
        self._used_at[worker_id] = now
        kept = self._kept.get(worker_id)
        taken: P | None = None
        while kept and taken is None:
            taken = kept.pop(0).become(make)
        if worker_id not in self._opening:
            task = asyncio.get_running_loop().create_task(self._fill(known))
            self._opening[worker_id] = task
            task.add_done_callback(lambda _task: self._opening.pop(worker_id, None))
        return taken

    def count(self, worker_id: str) -> int:
        """How many of a worker's wait to be used."""
        return sum(spare.open for spare in self._kept.get(worker_id, ()))

    def drop(self, worker_id: str) -> None:
        """This way is used no more."""
        self._used_at.pop(worker_id, None)
        task = self._opening.pop(worker_id, None)
        if task is not None:
            task.cancel()
        for spare in self._kept.pop(worker_id, ()):
            spare.close()

    def sweep(self, now: float) -> None:
        """Close those of workers that nobody asks any more. Called about once a second."""
        for worker_id, at in list(self._used_at.items()):
            if now - at > USED_S:
                self.drop(worker_id)

    def close(self) -> None:
        """Close all."""
        for worker_id in list(self._used_at):
            self.drop(worker_id)

    async def _fill(self, known: Direct) -> None:
        kept = self._kept.setdefault(known.place.worker_id, [])
        with contextlib.suppress(OSError):  # whoever needs one next finds out, and goes another way
            kept[:] = [spare for spare in kept if spare.open]
            while len(kept) < SPARES_MAX:
                kept.append(await self._open(known, Spare))
