"""A queen whose parts are the real ones; only her sockets, clock and disk are played.

Composed as ``queen.app`` composes her. Real: registry, admission, router, dispatcher,
pool, reconciler with all of placement and eviction, the watch, the job server with the
``infer`` operation, the OpenAI door behind uvicorn's protocol. A test of the rules may
put a broken part in: ``Parts``.
"""

import asyncio
from collections.abc import Callable
from hashlib import sha256
from typing import Final

import anyio
import httpx2
import msgspec

from rbee.contracts.hives import Heartbeat, HeartbeatAck
from rbee.contracts.principals import INFERENCE_ONLY, LOCAL, KeySetting
from rbee.errors import RbeeError
from rbee.foundation.http.gate import make_policy
from rbee.foundation.http.hot import HotProtocol
from rbee.foundation.http.server import DaemonServer, make_server
from rbee.foundation.http.wire import Hot
from rbee.foundation.jobserver import Job, JobServer
from rbee.queen.api.openai import OpenAIDoor
from rbee.queen.infer_operation import InferOperation
from rbee.queen.inference.admission import Admission, Limits
from rbee.queen.inference.dispatch import Dispatcher
from rbee.queen.inference.ledger import Ledger
from rbee.queen.inference.pool import CONNECT_S, Pool
from rbee.queen.inference.router import Router
from rbee.queen.inference.upstream import Upstream
from rbee.queen.lines import HiveLines
from rbee.queen.operations import Operations
from rbee.queen.placement_settings import ModelPlacement
from rbee.queen.reconciler import Reconciler
from rbee.queen.registry.colony import Colony
from rbee.queen.registry.workers import RoutableWorker
from rbee.queen.scheduling.demand import Demand
from rbee.queen.scheduling.options import Policy as PlacementPolicy
from rbee.queen.scheduling.rates import Rates
from rbee.queen.settings import Settings
from rbee.queen.tally import Tally
from rbee.queen.watch import Watch
from rbee.testing.simulation.disk import Disk, DiskJournal
from rbee.testing.simulation.hives import Hive
from rbee.testing.simulation.network import End, Path, connect
from rbee.testing.simulation.world import World

KEYS: Final = ("alpha", "beta", "gamma")
"""Clients' keys; the first may jump the queue a little."""

QUIET_S: Final = 2.0  # two beats
_PORT: Final = 7_833
_NAME: Final = "queen"

Clock = Callable[[], float]


class Parts(msgspec.Struct, kw_only=True):
    """What a test may break."""

    router: type[Router] = Router
    upstream: Callable[[Clock], Upstream] = Upstream
    journal: Callable[[Disk], DiskJournal] = DiskJournal
    admission: type[Admission] = Admission
    hive: type[Hive] = Hive
    leak: bool = False
    settings: Settings = Settings(
        quiet_s=QUIET_S,
        keys=[
            KeySetting(name=key, sha256=sha256(key.encode()).hexdigest(), priority=10 * (not index))
            for index, key in enumerate(KEYS)
        ],
    )


class Queen:
    """One life of the queen. ``hives`` are found by their address."""

    def __init__(
        self,
        world: World,
        hives: dict[str, Hive],
        disk: Disk,
        commands: httpx2.AsyncBaseTransport,
        parts: Parts,
        make_router: Callable[[Colony, Clock], Router],
    ) -> None:
        clock = asyncio.get_running_loop().time
        self._world, self._hives, self._parts, self._clock = world, hives, parts, clock
        settings = parts.settings
        kept = ModelPlacement(replicas_min=world.scenario.replicas)
        placement = msgspec.structs.replace(
            settings.placement, models=dict.fromkeys(world.models, kept)
        )
        self.colony = Colony()
        self.demand = Demand()
        self.tally = Tally()
        self.lines = HiveLines(key=None, http=commands)
        self.reconciler = Reconciler(
            colony=self.colony,
            demand=self.demand,
            lines=self.lines,
            policy=PlacementPolicy(auto_download=False, settings=placement),
            known_file=None,
            quiet_s=settings.quiet_s,
        )
        self.admission = parts.admission(
            self.colony,
            self.demand,
            Limits(wait_max_s=settings.wait_max_s, may_fetch=False),
            router=make_router(self.colony, clock),
            quiet=lambda: self.reconciler.quiet,
        )
        ledger = Ledger()
        hooks = self.reconciler.hooks
        hooks.running = lambda worker_id: self.admission.running.get(worker_id, 0)
        hooks.service_s = self.demand.service.mean_s
        hooks.on_placed = ledger.placed
        hooks.on_spawn = lambda _model, ok, load_s: self.tally.spawned(ok=ok, load_s=load_s)
        hooks.on_evict = lambda _model, reason: self.tally.evicted(reason)
        self.pool = Pool(self._connect)
        dispatcher = Dispatcher(
            self.colony, self.admission, self.pool, ledger=ledger, tally=self.tally
        )
        self._journal = parts.journal(disk)
        self.jobs = JobServer(actor="queen", now=world.wall, journal=self._journal)
        self.operations = Operations(
            jobs=self.jobs,
            colony=self.colony,
            demand=self.demand,
            lines=self.lines,
            infer=InferOperation(
                colony=self.colony, dispatcher=dispatcher, reconciler=self.reconciler
            ),
        )
        self._hot, self._server = self._doors(dispatcher, settings)
        self._wires: list[End] = []
        self._task = asyncio.create_task(self._live(), name=_NAME)

    def _doors(self, dispatcher: Dispatcher, settings: Settings) -> tuple[Hot, DaemonServer]:
        """The real ways in; whose bytes they read is simulated."""
        policy = make_policy(
            "127.0.0.1",
            _PORT,
            key=None,
            hosts=[],
            origins=[],
            keys=settings.keys,
            needs=lambda _method, _path: INFERENCE_ONLY,
        )
        door = OpenAIDoor(dispatcher, self.colony, self.tally, Rates())
        hot = door.hot(policy)
        server = make_server(door, hot)
        server.config.load()
        return hot, server

    # ── her life ──────────────────────────────────────────────────────────────

    async def _live(self) -> None:
        watch = Watch(self.colony, http=_Probes(self._world, self._hives))
        if self._parts.leak:
            asyncio.create_task(asyncio.Event().wait(), name="leaked")  # noqa: RUF006  it is meant to be lost
        try:
            async with self.jobs, anyio.create_task_group() as loops:
                loops.start_soon(self.reconciler.run)
                loops.start_soon(watch.run)
                loops.start_soon(self.pool.run)
        finally:
            self.pool.close()
            with anyio.CancelScope(shield=True):
                await self.lines.close()

    def die(self) -> None:
        """The process is killed: nothing is said, nothing is kept any more. Then ``end``."""
        self._journal.die()
        for wire in self._wires:
            wire.sever()
        self.pool.close()

    async def end(self) -> None:
        """Cancel all that runs and wait for it."""
        tasks = [self._task, *self._server.server_state.tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def fault(self) -> BaseException | None:
        """What ended one of her loops, which never end by themselves."""
        if self._task.done() and not self._task.cancelled():
            return self._task.exception()
        return None

    # ── what comes in ─────────────────────────────────────────────────────────

    def beat(self, heartbeat: Heartbeat) -> HeartbeatAck | None:
        """A hive's beat arrives, as bytes would."""
        copy = msgspec.json.decode(msgspec.json.encode(heartbeat), type=Heartbeat)
        try:
            return self.colony.beat(copy, self._world.now)
        except RbeeError as error:
            self._world.notes.breach(f"a beat was refused: {error.message}")
            return None

    def accept(self, client: asyncio.Protocol, path: Path) -> End:
        """A client connects."""
        protocol = HotProtocol(
            config=self._server.config,
            server_state=self._server.server_state,
            app_state={},
            hot=self._hot,
        )
        near, far = connect(client, protocol, path, ("client", _NAME))
        self._wires = [wire for wire in self._wires if not wire.is_closing()]
        self._wires.append(far)
        return near

    async def submit(self, body: bytes) -> Job:
        """A job is posted, as the route does it.

        Raises:
            RbeeError: it was refused.
        """
        await self.jobs.ready()
        return await self.operations.submit(body, LOCAL)

    # ── what goes out ─────────────────────────────────────────────────────────

    async def _connect(self, to: RoutableWorker, _make: Callable[[], Upstream]) -> Upstream:
        """The pool's way to a worker.

        Raises:
            OSError: as TCP would.
        """
        hive = self._hives[to.address]
        now = self._world.now
        arrives_s = hive.path.arrival(now) - now
        if arrives_s > CONNECT_S:
            await asyncio.sleep(CONNECT_S)
            raise TimeoutError
        await asyncio.sleep(2 * arrives_s)
        worker = hive.workers.get(to.worker_id)
        if worker is None or not worker.alive or worker.port != to.port:
            raise ConnectionRefusedError(111, "Connection refused")
        upstream = self._parts.upstream(self._clock)
        connect(upstream, worker.talk(), hive.path, (_NAME, to.worker_id))
        return upstream


class _Probes(httpx2.AsyncBaseTransport):
    """The watch's way to workers: whether somebody listens on their port."""

    def __init__(self, world: World, hives: dict[str, Hive]) -> None:
        self._world = world
        self._hives = hives

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer ``/health``.

        Raises:
            httpx2.TransportError: as a network would.
        """
        hive = self._hives[request.url.host]
        now = self._world.now
        if hive.path.loses(now):
            await asyncio.sleep(1.0)
            raise httpx2.ConnectTimeout("simulated", request=request)
        await asyncio.sleep(2 * (hive.path.arrival(now) - now))
        for worker in hive.workers.values():
            if worker.port == request.url.port and worker.alive:
                return httpx2.Response(200 if worker.ready_at is not None else 503)
        raise httpx2.ConnectError("simulated: nobody listens", request=request)
