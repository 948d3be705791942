"""Tell the queen each second, and at once at every change, how this hive is.

Over the link where there is one (``Link``), else by ``POST``: both carry the same object.
Nothing of a hive waits for the queen: when she is away, that is logged once and
tried again each second. She is told everything after she joined us anew, and
later only what changed or what her last answer wanted. ``Beat`` gathers what is
told; the sender owns when.
"""

import contextlib
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import anyio
import msgspec

from rbee.client.queen import QueenClient
from rbee.contracts.hives import (
    Capabilities,
    Heartbeat,
    HeartbeatAck,
    HiveInfo,
    HiveReady,
    NodeStats,
    Wanted,
)
from rbee.contracts.ids import HiveId
from rbee.contracts.models import Download, Model
from rbee.errors import QueenUnreachable, RbeeError
from rbee.foundation import logs
from rbee.hive.address import nobody_here
from rbee.hive.workers.roster import Roster

BEAT_EVERY_S: Final = 1.0  # wire.md
LINK_PATIENCE_S: Final = 1.0  # TCP, TLS and two greetings: 1 s at 200 ms
CHANGE_SETTLES_S: Final = 0.02  # changes come in groups; 50 beats a second at most
_ALL: Final[frozenset[Wanted]] = frozenset({"capabilities", "models", "worker_keys"})

_acks: Final = msgspec.json.Decoder(HeartbeatAck)
_log = logs.get(__name__)


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Where the sender finds what it tells."""

    hive_id: HiveId
    info: Callable[[], HiveInfo]
    node: Callable[[], NodeStats]
    capabilities: Callable[[], Capabilities]
    capabilities_revision: Callable[[], int]
    """Another number means other devices: the queen is told of them."""
    models: Callable[[], Awaitable[list[Model]]]
    downloads: Callable[[], list[Download]]
    hive_url: str
    """Empty for a hive that listens nowhere."""
    token: str | None = None


class Link(Protocol):
    """The way over the link (``hive.link``). ``acked`` and ``joined`` are set by ``Sender``."""

    acked: Callable[[bytes], None]
    joined: Callable[[], None]

    @property
    def alive(self) -> bool:
        """Whether the queen was heard on it lately."""
        ...

    def beat(self, payload: bytes) -> bool:
        """Send a beat's JSON; False when it has to go another way."""
        ...


class Sender:
    """The beats of one hive to one queen."""

    def __init__(
        self,
        queen_url: str,
        key: str | None,
        facts: Facts,
        roster: Roster,
        link: Link | None = None,
        *,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """``tls`` shows this hive's certificate where ``queen_url`` is https."""
        self._facts = facts
        self._roster = roster
        self._wanted: set[Wanted] = set(_ALL)
        self._told_models: list[Model] | None = None
        self._told_revision: int | None = None
        self._told_keys: dict[str, str] | None = None
        self._joined = False
        self._away = False
        self._queen_seen_at: float | None = None
        self._queen_url = queen_url
        self._queen = QueenClient(queen_url, key=key, tls=tls)
        self._link = link
        self._was_linked = anyio.Event()
        if link is not None:
            link.acked, link.joined = self._acked, self._linked

    async def run(self) -> None:
        """Beat until cancelled."""
        try:
            await self._await_link()
            while True:
                began = anyio.current_time()
                seen = self._roster.pulse.count
                await self._tell()
                with anyio.move_on_after(began + BEAT_EVERY_S - anyio.current_time()):
                    if self._away:
                        await anyio.sleep_forever()  # a change is no reason to knock faster
                    await self._roster.pulse.wait_after(seen)
                    await anyio.sleep(CHANGE_SETTLES_S)
        finally:
            with anyio.CancelScope(shield=True):
                await self._queen.close()

    async def _await_link(self) -> None:
        """Give the link a moment: what it brings, a POST would have to say again."""
        if self._link is not None and not self._link.alive:
            with anyio.move_on_after(LINK_PATIENCE_S):
                await self._was_linked.wait()

    def queen_silent_s(self, now: float) -> float | None:
        """For how long she has not answered; ``now`` is monotonic, None: she never did."""
        return None if self._queen_seen_at is None else now - self._queen_seen_at

    async def last(self) -> None:
        """One beat out of turn, for a hive that goes: the queen learns it at once."""
        linked = self._link is not None and self._link.alive
        if (self._joined or linked) and not self._away:
            await self._tell()

    async def _tell(self) -> None:
        try:
            if not await self._beat_over_link():
                if not self._joined:
                    await self._join()
                ack = await self._queen.beat(await self._next_beat())
                self._wanted = set(ack.wanted)
        except RbeeError as error:
            self._joined = False
            self._wanted = set(_ALL)
            if not self._away:
                self._away = True
                absent = isinstance(error, QueenUnreachable)
                remedy = (nobody_here(self._queen_url) if absent else None) or error.remedy
                _log.warning("queen away", url=self._queen_url, reason=error.message, remedy=remedy)
        else:
            self._seen()

    async def _beat_over_link(self) -> bool:
        """Whether the link took it. Its answer comes by itself, in ``_acked``."""
        if self._link is None or not self._link.alive:
            return False
        beat = await self._next_beat()
        if not self._link.beat(msgspec.json.encode(beat)):
            return False
        self._wanted.clear()
        return True

    def _linked(self) -> None:
        """The queen took the link: she is told everything with the next beat."""
        self._was_linked.set()
        self._wanted = set(_ALL)
        self._joined = False  # the link's HELLO joins; a POST after it would have to join anew
        self._seen()
        self._roster.pulse.beat()

    def _acked(self, payload: bytes) -> None:
        """The queen's answer to a beat over the link."""
        with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):
            self._acked_with(_acks.decode(payload))
            self._seen()

    def _acked_with(self, ack: HeartbeatAck) -> None:
        self._wanted |= set(ack.wanted)

    def _seen(self) -> None:
        self._queen_seen_at = time.monotonic()
        if self._away:
            self._away = False
            _log.info("queen is back", url=self._queen_url)

    async def _join(self) -> None:
        if not self._facts.hive_url:
            self._joined = True  # no port to tell of: its beat is enough
            return
        ready = HiveReady(
            hive_id=self._facts.hive_id, hive_url=self._facts.hive_url, token=self._facts.token
        )
        await self._queen.ready(ready)
        self._joined = True
        _log.info("joined", url=self._queen_url)

    async def _next_beat(self) -> Heartbeat:
        """The beat of this moment. What is in it counts as told."""
        models = await self._facts.models()
        keys = self._roster.keys()
        if models != self._told_models:
            self._wanted.add("models")
        revision = self._facts.capabilities_revision()
        if revision != self._told_revision:
            self._wanted.add("capabilities")
        if keys != self._told_keys:
            self._wanted.add("worker_keys")
        beat = Heartbeat(
            hive_id=self._facts.hive_id,
            hive_info=self._facts.info(),
            node=self._facts.node(),
            workers=self._roster.stats(),
            timestamp=time.time(),
            capabilities=self._facts.capabilities() if "capabilities" in self._wanted else None,
            models=models if "models" in self._wanted else None,
            worker_keys=keys if "worker_keys" in self._wanted else None,
            downloads=self._facts.downloads(),
        )
        self._told_models, self._told_keys = models, keys
        self._told_revision = revision
        return beat
