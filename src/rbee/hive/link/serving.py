"""Streams that the queen opens: to this hive's own API, or through to one of its workers.

``hive`` is answered by the same server as the port, where there is one. ``worker:<id>``
is copied to that worker's port on loopback and back; the hive looks at none of it.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from rbee.foundation.http.reads import read_less
from rbee.foundation.link.splice import Splice
from rbee.foundation.link.transport import LinkTransport
from rbee.foundation.mux.frames import HIVE_TARGET, WORKER_TARGET
from rbee.foundation.mux.mux import Mux
from rbee.foundation.mux.stream import Owner, Stream

CONNECT_S: Final = 5.0  # the queen's own patience with a worker

Place = tuple[str, int]
FindWorker = Callable[[str], Place | None]
"""From a worker's id to where it listens on this machine; None: there is none."""

MakeHttp = Callable[[], asyncio.BaseProtocol | None]
"""A protocol of the hive's own HTTP server, for one connection; None while it starts or ends."""


class Streams:
    """Answers streams. ``http`` and ``worker`` say where they lead."""

    def __init__(self, http: MakeHttp, worker: FindWorker) -> None:
        self._http = http
        self._worker = worker
        self._connecting: set[asyncio.Task[None]] = set()

    def accept(self, mux: Mux, stream: Stream) -> Owner | str:
        """The owner of a new stream, or why there is none."""
        transport = LinkTransport(mux)
        if stream.target == HIVE_TARGET:
            protocol = self._http()
            if protocol is None:
                return "This hive is starting, or about to end."
            transport.start(stream, protocol)
            return transport
        if stream.target.startswith(WORKER_TARGET):
            worker_id = stream.target.removeprefix(WORKER_TARGET)
            place = self._worker(worker_id)
            if place is None:
                return f"There is no worker {worker_id!r} here."
            half = Splice()
            transport.start(stream, half)
            task = asyncio.get_running_loop().create_task(_reach(mux, stream, half, place))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)
            return transport
        return f"There is nothing called {stream.target!r} here."


async def _reach(mux: Mux, stream: Stream, half: Splice, place: Place) -> None:
    """Connect the other half."""
    host, port = place
    try:
        async with asyncio.timeout(CONNECT_S):
            transport, other = await asyncio.get_running_loop().create_connection(
                Splice, host, port
            )
    except OSError as error:
        mux.reset(stream, f"Port {port} cannot be reached: {error.strerror or 'no answer'}.")
        half.drop()
        return
    read_less(transport)
    if half.transport is None:  # the queen left meanwhile
        other.drop()
    else:
        half.join(other)
