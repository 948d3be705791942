"""Who is linked: sessions by hive, their beats into the registry, streams to them.

A hive has one link of each lane: ``main`` for beats, commands and answers, ``bulk`` for
model bytes. A connection that breaks leaves its session waiting for ``RESUME_S``: a
hive that is back by then goes on with all its streams. Until then ``linked`` is false,
and nothing new is sent there. Silence is judged once a second for all links; a queen
that did not run for a while (she was stopped, the machine slept) judges nobody by it,
because beats may wait unread in her sockets.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import anyio
import msgspec

from rbee.contracts.hives import Heartbeat
from rbee.contracts.ids import HiveId
from rbee.errors import InvalidRequest
from rbee.foundation import logs
from rbee.foundation.link.connection import Connection
from rbee.foundation.link.transport import open_stream
from rbee.foundation.mux import frames
from rbee.foundation.mux.frames import Hello, Lane, Violation, Welcome
from rbee.foundation.mux.mux import LinkLost
from rbee.queen.links.link import Link
from rbee.queen.registry.colony import Colony
from rbee.queen.registry.hives import check_hive_id

P = TypeVar("P", bound=asyncio.BaseProtocol)

RESUME_S: Final = 30.0
"""A line that is away for longer has lost its streams; each is continued elsewhere or ends."""
SILENT_S: Final = 15.0  # the hive itself gives up after a third of it, and dials anew
TWIN_S: Final = 3.0  # liveness: three missed beats
BULK_S: Final = 5.0  # as the hive's own patience with a dial
SWEEP_EVERY_S: Final = 1.0  # a look at 10,000 links is a millisecond or two
_BULK_LOOK_S: Final = 0.02  # model bytes come for minutes
LAG_MAX_S: Final = 2.0  # as liveness has it: whoever swept later than that did not run

_log = logs.get(__name__)
_beats: Final = msgspec.json.Decoder(Heartbeat)


class Links:
    """All links of a queen. ``epoch`` is hers; ``heard`` gets each beat that counts."""

    def __init__(
        self, colony: Colony, *, epoch: int, heard: Callable[[Heartbeat], None] = lambda _beat: None
    ) -> None:
        self.epoch = epoch
        self._colony = colony
        self._heard = heard
        self._links: dict[tuple[str, Lane], Link] = {}
        self._up: set[str] = set()  # hives with a main lane that is up
        self._watchers: list[Callable[[HiveId], None]] = []
        self._swept_at: float | None = None

    # ── what others ask ──────────────────────────────────────────────────────

    def linked(self, hive_id: str, lane: Lane = "main") -> bool:
        """Whether a stream can be opened to this hive now. Asked for each worker of each beat."""
        if lane == "main":
            return hive_id in self._up
        link = self._links.get((hive_id, lane))
        return link is not None and link.up

    def peer(self, hive_id: str) -> str | None:
        """The address that the hive dials from; None when it has no link."""
        link = self._links.get((hive_id, "main"))
        return link.address if link is not None and link.up else None

    def count(self) -> int:
        """How many links are up."""
        return sum(link.up for link in self._links.values())

    def subscribe(self, callback: Callable[[HiveId], None]) -> None:
        """Be called with a hive's id after its link came or went, before its streams know."""
        self._watchers.append(callback)

    def open(self, hive_id: str, target: str, make: Callable[[], P], *, lane: Lane = "main") -> P:
        """Open a stream to ``hive`` or ``worker:<id>``; its protocol may write at once.

        There is no round trip: a hive that refuses ends the stream with ``StreamRefused``.

        Raises:
            LinkLost: there is no link, or no room on it.
        """
        link = self._links.get((hive_id, lane))
        if link is None or not link.up:
            raise LinkLost(f"The hive {hive_id} has no link to the queen.")
        return open_stream(link.mux, target, make, link.extra)

    def open_stream(
        self, hive_id: str, target: str, make: Callable[[], P], *, lane: Lane = "main"
    ) -> Awaitable[P]:
        """As ``open``, for who awaits a connection."""
        return _now(lambda: self.open(hive_id, target, make, lane=lane))

    async def bulk(self, hive_id: str) -> None:
        """Return when the hive's bulk lane is up; it is opened when somebody wants it.

        Raises:
            LinkLost: there is no link, or the hive opened none in ``BULK_S``.
        """
        deadline = anyio.current_time() + BULK_S
        link = self._links.get((hive_id, "main"))
        if not self.linked(hive_id, "bulk") and link is not None and link.connection is not None:
            link.connection.send(frames.head(frames.WANT_BULK))
        while not self.linked(hive_id, "bulk"):
            if not self.linked(hive_id) or anyio.current_time() > deadline:
                raise LinkLost(f"The hive {hive_id} opened no bulk connection.")
            await anyio.sleep(_BULK_LOOK_S)

    def drop(self, hive_id: str, reason: str = "This hive may not speak any more.") -> None:
        """Close a hive's links; their streams are lost."""
        for key in [key for key in self._links if key[0] == hive_id]:
            self._links.pop(key).drop(reason)

    # ── from the door ────────────────────────────────────────────────────────

    def greet(
        self, connection: Connection, hello: Hello, lane: Lane, *, address: str, near: bool
    ) -> Link:
        """Join a connection to its hive's session, an old one or a new one.

        Raises:
            Violation: another version, a second hive of the same id, a count that cannot be.
            InvalidRequest: no hive has such an id.
        """
        if hello.version != frames.VERSION:
            raise Violation(f"this queen speaks version {frames.VERSION}, not {hello.version}")
        check_hive_id(hello.hive_id)
        key = (hello.hive_id, lane)
        link = self._links.get(key)
        resumed = link is not None and link.session == hello.session
        if link is None or not resumed:
            if link is not None:
                now = asyncio.get_running_loop().time()
                if link.up and now - link.heard_at < TWIN_S:
                    raise Violation(f"another hive speaks as {hello.hive_id!r}: give one a new id")
                self._links.pop(key).drop("The hive began anew.")
            link = Link(hello, lane, self._take_beat, self._changed)
        link.address, link.near = address, near
        self._links[key] = link
        welcome = Welcome(
            version=frames.VERSION, epoch=self.epoch, seen=link.mux.come, resumed=resumed
        )
        payload = frames.head(frames.HELLO) + msgspec.json.encode(welcome)
        link.join(connection, payload, hello.seen if resumed else 0)
        _log.info("hive linked", hive=hello.hive_id, lane=lane, address=address, resumed=resumed)
        return link

    def _take_beat(self, link: Link, data: memoryview) -> bytes | None:
        try:
            beat = _beats.decode(data)
            if beat.hive_id != link.hive_id or link.lane != "main":
                raise Violation(f"{link.hive_id!r} beats for {beat.hive_id!r}")
            ack = self._colony.beat(beat, link.heard_at, near=link.near)
        except (msgspec.MsgspecError, UnicodeDecodeError, InvalidRequest) as error:
            raise Violation(f"the beat cannot be taken: {error}") from None
        if ack.message:
            _log.warning("beat", hive=link.hive_id, note=ack.message)
        else:
            self._heard(beat)
            if not ack.wanted:
                return None
        return msgspec.json.encode(ack)

    def _changed(self, link: Link) -> None:
        if link.lane == "main":
            if link.up:
                self._up.add(link.hive_id)
            else:
                self._up.discard(link.hive_id)
            for watcher in self._watchers:
                watcher(link.hive_id)

    # ── time ─────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """Sweep for ever."""
        while True:
            await anyio.sleep(SWEEP_EVERY_S)
            self.sweep(anyio.current_time())

    def sweep(self, now: float) -> None:
        """Close what is silent, give up what did not come back."""
        lag_s = 0.0 if self._swept_at is None else now - self._swept_at - SWEEP_EVERY_S
        self._swept_at = now
        forgiven_s = lag_s if lag_s > LAG_MAX_S else 0.0
        for key, link in list(self._links.items()):
            link.heard_at += forgiven_s
            link.detached_at += forgiven_s
            if link.connection is not None:
                if now - link.heard_at > SILENT_S:
                    link.connection.abort("silent")
            elif now - link.detached_at > RESUME_S:
                del self._links[key]
                link.drop("The hive's link broke and did not come back.")

    def close(self) -> None:
        """Close all links."""
        links, self._links = self._links, {}
        for link in links.values():
            link.drop("The queen stops.")


async def _now(act: Callable[[], P]) -> P:
    return act()
