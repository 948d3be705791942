"""Live figures for clients: every beat, and the colony's counts every 2.5 s.

Each message is encoded once, however many listen. A subscription begins with the
present, however many hives that is; a listener that then falls 1,000 messages behind
is cut off with a comment: telemetry has no past worth keeping.
"""

from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Final

import anyio
import msgspec

from rbee.contracts.hives import Heartbeat, HiveTelemetry, QueenTelemetry
from rbee.contracts.workers import SERVING
from rbee.foundation import sse
from rbee.queen.registry.colony import Colony
from rbee.queen.settings import SUBSCRIBER_EVENTS_MAX, TELEMETRY_EVERY_S

BEHIND: Final = f"more than {SUBSCRIBER_EVENTS_MAX} messages behind"
"""Why a subscriber is cut off."""


class _Subscriber:
    """One listener's backlog, of messages in JSON."""

    def __init__(self) -> None:
        self.messages: deque[bytes] = deque()
        self.changed = anyio.Event()
        self.behind = False

    def put(self, message: bytes) -> None:
        if len(self.messages) >= SUBSCRIBER_EVENTS_MAX:
            self.behind = True
        else:
            self.messages.append(message)
        self.changed.set()


class Telemetry:
    """Publishes to all subscribers. ``wall_clock`` gives Unix seconds."""

    def __init__(self, colony: Colony, *, wall_clock: Callable[[], float]) -> None:
        self._colony = colony
        self._wall_clock = wall_clock
        self._subscribers: set[_Subscriber] = set()

    @property
    def listening(self) -> int:
        """How many listen."""
        return len(self._subscribers)

    def beat(self, heartbeat: Heartbeat) -> None:
        """Pass a beat on to the listeners, without its keys."""
        if not self._subscribers:
            return
        self._publish(
            HiveTelemetry(
                hive_id=heartbeat.hive_id,
                timestamp=heartbeat.timestamp,
                node=heartbeat.node,
                workers=heartbeat.workers,
            )
        )

    async def run(self) -> None:
        """Publish the colony's counts for ever."""
        while True:
            await anyio.sleep(TELEMETRY_EVERY_S)
            if self._subscribers:
                self._publish(self.counts())

    def counts(self) -> QueenTelemetry:
        """The colony's counts now."""
        workers = [
            (entry.stats, bool(self._colony.is_serving(entry.stats.worker_id)))
            for _, entry in self._colony.workers()
        ]
        hives = self._colony.hives()
        online = [hive.id for hive in hives if hive.state in {"fresh", "degraded"}]
        return QueenTelemetry(
            workers_online=sum(stats.status not in _ENDED for stats, _ in workers),
            workers_available=sum(
                serving and stats.status in SERVING for stats, serving in workers
            ),
            hives_online=len(online),
            hives_available=sum(hive.state == "fresh" for hive in hives),
            worker_ids=[stats.worker_id for stats, _ in workers],
            hive_ids=[str(hive.id) for hive in hives],
            timestamp=self._wall_clock(),
        )

    async def frames(self) -> AsyncGenerator[bytes]:
        """SSE frames for one subscriber: the present first, then what happens."""
        async for message in self.messages():
            yield sse.KEEP_ALIVE if message is None else sse.frame(message)
        yield sse.comment(f"{BEHIND}: subscribe again")

    async def messages(self) -> AsyncGenerator[bytes | None]:
        """The same in JSON, for whoever frames it otherwise; None says that the line is alive.

        Ends when the subscriber is too far behind.
        """
        subscriber = _Subscriber()
        present = [msgspec.json.encode(message) for message in self._present()]
        self._subscribers.add(subscriber)
        try:
            for message in present:
                yield message
            while True:
                while subscriber.messages:
                    yield subscriber.messages.popleft()
                if subscriber.behind:
                    return
                subscriber.changed = anyio.Event()
                with anyio.move_on_after(sse.KEEP_ALIVE_EVERY_S) as waiting:
                    await subscriber.changed.wait()
                if waiting.cancelled_caught:
                    yield None
        finally:
            self._subscribers.discard(subscriber)

    def _present(self) -> Iterator[HiveTelemetry | QueenTelemetry]:
        """The counts, and each hive's last beat."""
        yield self.counts()
        for hive in self._colony.hives():
            if hive.beat_age_s is not None:
                stamp = self._wall_clock() - hive.beat_age_s
                yield HiveTelemetry(
                    hive_id=hive.id, timestamp=stamp, node=hive.node, workers=hive.workers
                )

    def _publish(self, message: HiveTelemetry | QueenTelemetry) -> None:
        encoded = msgspec.json.encode(message)
        for subscriber in self._subscribers:
            subscriber.put(encoded)


_ENDED = frozenset({"stopped", "error"})
