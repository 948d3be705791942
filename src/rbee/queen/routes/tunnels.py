"""What the routes want of others: the links' streams, and connections on this machine."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from rbee.contracts.ids import HiveId
from rbee.queen.registry.workers import RoutableWorker

P = TypeVar("P", bound=asyncio.Protocol)


class Tunnels(Protocol):
    """The links to hives. ``queen.links`` has it."""

    def linked(self, hive_id: HiveId) -> bool:
        """Whether streams can be opened to this hive now."""
        ...

    def peer(self, hive_id: HiveId) -> str | None:
        """The IP address of the link's other end, None where that says nothing."""
        ...

    def open(self, hive_id: HiveId, target: str, make: Callable[[], P]) -> P:
        """A stream to ``target`` behind this hive, and the protocol that was put on it.

        It may be written to at once; a refusal comes as ``connection_lost``.

        Raises:
            OSError: there is no link, or it is full.
        """
        ...


class Dial(Protocol):
    """How a worker of the queen's own machine is connected to. ``inference.pool`` has it."""

    def __call__(self, worker: RoutableWorker, make: Callable[[], P], /) -> Awaitable[P]:
        """A connection, with a protocol that ``make`` made.

        Raises:
            OSError: refused, or no answer.
        """
        ...


class NoTunnels:
    """A queen without links."""

    def linked(self, hive_id: HiveId) -> bool:
        """No."""
        del hive_id
        return False

    def peer(self, hive_id: HiveId) -> str | None:
        """Nobody."""
        del hive_id
        return None

    def open(self, hive_id: HiveId, target: str, make: Callable[[], P]) -> P:
        """Never.

        Raises:
            ConnectionAbortedError: always.
        """
        del target, make
        raise ConnectionAbortedError(f"There is no link to the hive {hive_id}.")
