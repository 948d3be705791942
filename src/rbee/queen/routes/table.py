"""The ways to all workers on other machines: remembered, tried, used, given up.

One owner, the event loop. The registry tells of a worker with each beat (``route``), which
costs two look-ups; ``run`` tries the direct ways that are due, a few at a time; the pool
asks for connections (``connect``). A local worker passes through here with one comparison.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic
from typing import Final, TypeVar

from rbee.contracts.ids import HiveId
from rbee.foundation import logs
from rbee.queen.registry.hives import HiveEntry
from rbee.queen.registry.reach import RouteName
from rbee.queen.registry.workers import RoutableWorker, WorkerEntry
from rbee.queen.routes import choice
from rbee.queen.routes.choice import Direct, Network, Place
from rbee.queen.routes.dialling import Credentials, open_direct, prove
from rbee.queen.routes.health import Health
from rbee.queen.routes.spares import Spares
from rbee.queen.routes.tunnels import Dial, NoTunnels, Tunnels

P = TypeVar("P", bound=asyncio.Protocol)

LOOK_EVERY_S: Final = 0.5  # pauses are seconds; a new worker is tried at once
PROBES_AT_ONCE: Final = 32  # a handshake is a millisecond of CPU; thousands come after a restart
CREDENTIALS_LOOK_S: Final = 30.0  # certificates are renewed days before their end
FORGET_S: Final = 120.0  # twice what the registry keeps of a silent hive
TRIPS_PLAIN: Final = 1  # round trips before a connection can be written to
TRIPS_TLS: Final = 2
WORKER_TARGET: Final = "worker:"

Candidates = Callable[[str | None, str | None], tuple[str, ...]]

_log = logs.get(__name__)


class Routes:
    """All ways to workers. ``tunnels``, ``changed`` and ``moved`` may be replaced before ``run``."""

    def __init__(
        self,
        local: Dial,
        *,
        identity: Path | None = None,
        trusted: Sequence[Network] = (),
        candidates: Candidates = choice.candidates,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """``identity`` is the folder of the queen's own certificate, filled now or later.

        ``candidates`` says which addresses may be tried; on one machine there is only loopback.
        """
        self.tunnels: Tunnels = NoTunnels()
        self.changed: Callable[[HiveId], None] = lambda _hive_id: None
        """Hears of a hive whose workers have another way now."""
        self.moved: Callable[[str], None] = lambda _worker_id: None
        """Hears of a worker whose kept connections go a way that is not the best any more."""
        self.measured: Callable[[str, float], None] = lambda _hive_id, _seconds: None
        """Hears how long one round trip to a hive takes, where a connection shows it."""
        self._local = local
        self._trusted = tuple(trusted)
        self._candidates = candidates
        self._clock = clock
        self._credentials = Credentials(identity)
        self._known: dict[str, Direct] = {}
        self._unproved: dict[str, float] = {}  # workers that ``run`` looks at; when last heard of
        self._trying: dict[str, asyncio.Task[None]] = {}
        self._new = asyncio.Event()
        self._spares = Spares(self._open)

    # ── what the registry asks ────────────────────────────────────────────────

    def route(self, hive: HiveEntry, worker: WorkerEntry) -> RouteName | None:
        """The way that a request goes now; takes note of where the worker is."""
        direct = self._note(hive, worker)
        return choice.route(direct=direct, linked=self.tunnels.linked(hive.id))

    def blames_way(self, hive: HiveEntry, worker: WorkerEntry) -> bool:
        """A connection failed. A direct way is given up; a tunnel that stands was no cause."""
        known = self._known.get(worker.stats.worker_id)
        if known is not None and known.address is not None:
            self._give_up(known, "a connection broke")
            return True
        return not self.tunnels.linked(hive.id)

    def why(self, worker_id: str) -> str | None:
        """Why requests do not go direct to this worker; None: they do, or it was not tried."""
        known = self._known.get(worker_id)
        return None if known is None else known.why

    def _note(self, hive: HiveEntry, worker: WorkerEntry) -> Direct | None:
        stats, info = worker.stats, hive.info
        worker_id = stats.worker_id
        known = self._known.get(worker_id)
        if stats.tls_port is None or worker.key is None or info is None:
            if known is not None:
                self._forget(worker_id)
            return None
        place = Place(
            hive_id=hive.id,
            worker_id=worker_id,
            generation=stats.generation,
            port=stats.tls_port,
            secret=worker.key,
        )
        addresses = self._candidates(info.address, self.tunnels.peer(hive.id))
        now = self._clock()
        found = self._known[worker_id] = choice.seen(known, place, addresses, now)
        if found is not known:
            self._new.set()
        if found.address is None:
            self._unproved[worker_id] = now
        return found

    # ── what the pool asks ────────────────────────────────────────────────────

    async def connect(self, worker: RoutableWorker, make: Callable[[], P]) -> P:
        """A connection to a worker by the best way that works.

        Raises:
            OSError: no way works.
        """
        if worker.local:
            return await self._local(worker, make)
        known = self._known.get(worker.worker_id)
        if known is not None and known.address is not None:
            ready = self._spares.take(known, make, self._clock())
            if ready is not None:
                return ready
            try:
                return await self._open(known, make)
            except OSError as error:
                self._give_up(known, error.strerror or "no answer")
                self.changed(worker.hive_id)
        return self.tunnels.open(worker.hive_id, WORKER_TARGET + worker.worker_id, make)

    async def _open(self, known: Direct, make: Callable[[], P]) -> P:
        """A new connection by the way that was proved.

        Raises:
            OSError: it does not work any more.
        """
        began = self._clock()
        opened = await open_direct(
            known.address or "",
            known.place.port,
            known.place.hive_id,
            None if known.plain else self._credentials.traffic,
            make,
        )
        trips = TRIPS_PLAIN if known.plain else TRIPS_TLS
        self.measured(known.place.hive_id, (self._clock() - began) / trips)
        return opened

    def ready(self, worker_id: str) -> int:
        """How many direct connections to this worker are open and wait for a request."""
        return self._spares.count(worker_id)

    async def answers(self, worker: RoutableWorker) -> bool:
        """Whether a worker, asked for its health by its way, says that it is well."""
        try:
            health = await self.connect(worker, Health)
        except OSError:
            return False
        return await health.ask(worker)

    # ── trying ────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """Try the direct ways that are due, for ever."""
        looked_at = self._clock()
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY_S):
                        await self._new.wait()
                self._new.clear()
                now = self._clock()
                self._drop_unheard(now)
                self._spares.sweep(now)
                if now - looked_at > CREDENTIALS_LOOK_S or self._credentials.probe is None:
                    looked_at = now
                    self._credentials.refresh()
                self._try_due(now)
        finally:
            self._spares.close()
            for task in self._trying.values():
                task.cancel()

    def _try_due(self, now: float) -> None:
        waiting = (
            self._known[worker_id] for worker_id in self._unproved if worker_id not in self._trying
        )
        for known in choice.due(waiting, now, PROBES_AT_ONCE - len(self._trying)):
            worker_id = known.place.worker_id
            task = asyncio.get_running_loop().create_task(self._try(known))
            self._trying[worker_id] = task
            task.add_done_callback(lambda _task, done=worker_id: self._trying.pop(done, None))

    async def _try(self, known: Direct) -> None:
        """Probe each address, the best first; remember what came of it."""
        place, tls = known.place, self._credentials.probe
        why = "no address to try" if tls else "the queen has no certificate of a colony"
        for address, plain in choice.attempts(
            known.addresses, self._trusted, has_certificate=tls is not None
        ):
            failure = await prove(
                address, place.port, place.hive_id, place.secret, None if plain else tls
            )
            if failure is None:
                self._keep(known, choice.succeeded(known, address, plain=plain))
                return
            why = f"{address}: {failure}"
        self._keep(known, choice.failed(known, why, self._clock(), _spread()))

    def _keep(self, before: Direct, after: Direct) -> None:
        """What a probe found out, unless the worker has become another one meanwhile."""
        worker_id = before.place.worker_id
        if self._known.get(worker_id) is not before:
            return
        self._known[worker_id] = after
        if after.address is None:
            if after.failures == 1:
                _log.info("no direct way", worker=worker_id, reason=after.why)
            return
        self._unproved.pop(worker_id, None)
        _log.info("direct way", worker=worker_id, address=after.address, plain=after.plain)
        self.changed(HiveId(before.place.hive_id))
        self.moved(worker_id)

    def _give_up(self, known: Direct, why: str) -> None:
        """The direct way failed in use: back to the tunnel, and tried again later."""
        worker_id = known.place.worker_id
        if self._known.get(worker_id) is not known:
            return
        now = self._clock()
        self._known[worker_id] = choice.failed(known, why, now, _spread())
        self._unproved[worker_id] = now
        self._spares.drop(worker_id)
        _log.warning("direct way given up", worker=worker_id, reason=why)
        self.moved(worker_id)

    # ── forgetting ────────────────────────────────────────────────────────────

    def _forget(self, worker_id: str) -> None:
        self._spares.drop(worker_id)
        self._known.pop(worker_id, None)
        self._unproved.pop(worker_id, None)

    def _drop_unheard(self, now: float) -> None:
        """Workers that no beat names any more."""
        for worker_id, at in list(self._unproved.items()):
            if now - at > FORGET_S:
                self._forget(worker_id)


def _spread() -> float:
    """By how much a pause differs from the next one's: nobody has to be kept from guessing it."""
    return random.random()  # noqa: S311  no secret
