"""Tell the queen each second, and at once at every change, how this hive is.

Nothing of a hive waits for the queen: when she is away, that is logged once and
tried again each second. She is told everything after she joined us anew, and
later only what changed or what her last answer wanted. ``Beat`` gathers what is
told; the sender owns when.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Final

import anyio
import msgspec

from rbee.client.queen import QueenClient
from rbee.contracts.hives import (
    Capabilities,
    Heartbeat,
    HiveInfo,
    HiveReady,
    NodeStats,
    Wanted,
)
from rbee.contracts.ids import HiveId
from rbee.contracts.models import Model
from rbee.errors import RbeeError
from rbee.foundation import logs
from rbee.hive.workers.roster import Roster

BEAT_EVERY_S: Final = 1.0  # wire.md
CHANGE_SETTLES_S: Final = 0.02  # changes come in groups; 50 beats a second at most
_ALL: Final[frozenset[Wanted]] = frozenset({"capabilities", "models", "worker_keys"})

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
    hive_url: str
    token: str | None = None


class Sender:
    """The beats of one hive to one queen."""

    def __init__(self, queen_url: str, key: str | None, facts: Facts, roster: Roster) -> None:
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
        self._queen = QueenClient(queen_url, key=key)

    async def run(self) -> None:
        """Beat until cancelled."""
        try:
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

    def queen_silent_s(self, now: float) -> float | None:
        """For how long she has not answered; ``now`` is monotonic, None: she never did."""
        return None if self._queen_seen_at is None else now - self._queen_seen_at

    async def last(self) -> None:
        """One beat out of turn, for a hive that goes: the queen learns it at once."""
        if self._joined and not self._away:
            await self._tell()

    async def _tell(self) -> None:
        try:
            if not self._joined:
                await self._join()
            await self._beat()
        except RbeeError as error:
            self._joined = False
            self._wanted = set(_ALL)
            if not self._away:
                self._away = True
                _log.warning("queen away", url=self._queen_url, reason=error.message)
        else:
            self._queen_seen_at = time.monotonic()
            if self._away:
                self._away = False
                _log.info("queen is back", url=self._queen_url)

    async def _join(self) -> None:
        ready = HiveReady(
            hive_id=self._facts.hive_id, hive_url=self._facts.hive_url, token=self._facts.token
        )
        await self._queen.ready(ready)
        self._joined = True
        _log.info("joined", url=self._queen_url)

    async def _beat(self) -> None:
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
        )
        ack = await self._queen.beat(beat)
        self._told_models, self._told_keys = models, keys
        self._told_revision = revision
        self._wanted = set(ack.wanted)
