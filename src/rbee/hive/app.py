"""The hive, composed: one process that owns this machine's devices, models and workers.

Only the front door starts it (``rbee hive run``). The order matters: the lock
first (one hive per data directory), then the port, then devices, then the workers
of an earlier hive, and only then the doors and the beats. The engines are tried
beside all that.
"""

import os
import socket
import time
from functools import partial

import anyio
import anyio.abc
import anyio.to_thread
import psutil

import rbee
from rbee.contracts.daemon import ServiceInfo
from rbee.contracts.hives import Capabilities, EngineList, HiveInfo
from rbee.contracts.ids import HiveId
from rbee.contracts.models import Model, ModelSearch
from rbee.foundation import config, logs, paths
from rbee.foundation.daemon import Daemon
from rbee.foundation.hive_id import hive_dir, stable_hive_id
from rbee.foundation.http.gate import Policy, make_policy
from rbee.foundation.http.hot import HotProtocol
from rbee.foundation.identity.places import hive_identity_dir
from rbee.foundation.jobserver import JobServer
from rbee.hive.address import check_addresses
from rbee.hive.api.access import scopes_for
from rbee.hive.api.routes import Parts, make_app
from rbee.hive.api.worker_pages import WorkerPages
from rbee.hive.chores import measure, stop_idle
from rbee.hive.devices.cpu import cpu_cores
from rbee.hive.devices.inventory import Inventory
from rbee.hive.devices.node import Node
from rbee.hive.devices.usage import GpuUse, use_of
from rbee.hive.engines.catalog import Engines, make_engines
from rbee.hive.epochs import Epochs
from rbee.hive.fitting import Fitting, machine_memory, neighbours
from rbee.hive.from_settings import listen, settings_book
from rbee.hive.heartbeat import Facts
from rbee.hive.isolation.plan import Found
from rbee.hive.isolation.probe import look
from rbee.hive.memory_budget import held_mb, shown, within
from rbee.hive.metrics import Figures
from rbee.hive.model_use import note
from rbee.hive.models.catalog import Catalog
from rbee.hive.models.downloads import Downloads
from rbee.hive.models.hub import hub_settings
from rbee.hive.models.load_times import LoadTimes
from rbee.hive.models.measured import MeasuredRuns
from rbee.hive.models.pick import Judge
from rbee.hive.models.search import HubSearch
from rbee.hive.offers import download_limits, gpu_memory, usual_run
from rbee.hive.only_one import only_one
from rbee.hive.operations import Operations
from rbee.hive.settings import HiveSettings, script_of
from rbee.hive.sharing.making import make_dial, make_sharing
from rbee.hive.sharing.near import Dial
from rbee.hive.ties import Ties
from rbee.hive.workers.lifecycle import Budget
from rbee.hive.workers.supervisor import Supervisor, SupervisorLimits

ENGINES_FILE = "engines.json"
ALIVE_FILE = "alive"
MEASURED_FILE = "measured.json"
LOADS_FILE = "loads.json"
DOWNLOADS_FILE = "downloads.json"
_GIB = 1024**3

_log = logs.get(__name__)


def run(settings: HiveSettings) -> None:
    """Be a hive in this process; see ``serve``.

    Raises:
        RbeeError: as ``serve``.
    """
    logs.set_up("hive", level=settings.log_level)
    anyio.run(serve, settings)


async def serve(settings: HiveSettings) -> None:
    """Be a hive until a signal or ``POST /v1/shutdown``.

    SIGTERM leaves the workers to the next hive; SIGINT and a shutdown request
    drain and stop them (unless it says ``keep_workers``).

    Raises:
        AlreadyRunning: another hive uses this data directory.
        PortTaken, UnsafeBind, BadSettings: the address or a setting.
        StorageError: the data directory cannot be written.
    """
    directory = hive_dir()
    hive_id = stable_hive_id(settings.hive_id, directory)
    ties = Ties(settings, hive_id, key=config.colony_key(), identity=hive_identity_dir())
    check_addresses(settings, ties.queen_url, None)
    key = config.colony_key()
    make_policy(  # before anything
        settings.bind, settings.port, key=key, hosts=[], origins=[], certificates=ties.is_member
    )
    with only_one(directory):
        daemon = listen(settings)
        engines = make_engines(
            scripted=settings.scripted_engine,
            script=script_of(settings),
            llama_server=settings.llama_server,
            upstreams=settings.upstreams,
            commands=settings.commands,
        )
        inventory = Inventory()
        await inventory.detect()
        isolation = await anyio.to_thread.run_sync(
            partial(look, hive_dir() / "workers", off=settings.isolation == "off")
        )
        await _Hive(ties, hive_id, key, daemon, engines, inventory, isolation).serve()


class _Hive:
    """The parts of a running hive and what binds them."""

    def __init__(
        self,
        ties: Ties,
        hive_id: HiveId,
        key: str | None,
        daemon: Daemon,
        engines: Engines,
        inventory: Inventory,
        isolation: Found,
    ) -> None:
        settings = self._settings = ties.settings
        self._ties = ties
        self._id = hive_id
        self._key = key
        self._daemon = daemon
        self._engines = engines
        self._inventory = inventory
        self._started_at = time.time()
        self._stopping = False
        self._epochs = Epochs(hive_dir())
        self._catalog = Catalog(paths.models_dir())
        self._hub_search = HubSearch()
        self._sharing = make_sharing(settings, hive_id, self._dial(), self._catalog, self._judge)
        ties.turned = lambda: self._sharing.source.turn_to(self._dial())
        self._loads = LoadTimes(hive_dir() / LOADS_FILE)
        self._fitting = Fitting(
            self._catalog, MeasuredRuns(hive_dir() / MEASURED_FILE), self._loads, self._memory
        )
        self._supervisor = Supervisor(
            hive_dir() / "workers",
            hive_dir() / ALIVE_FILE,
            engines,
            SupervisorLimits(
                first_port=settings.first_worker_port,
                budget=Budget(
                    restarts_max=settings.restarts_max, window_s=settings.restart_window_s
                ),
                drain_s=settings.drain_s,
                load_s=settings.load_s,
                orphan_s=settings.orphan_s,
                log_bytes_max=settings.log_bytes_max,
                hang_s=settings.hang_s,
                isolation=isolation,
                outside=ties.outside,
            ),
        )

    def _dial(self) -> Dial:
        return make_dial(self._ties.settings, self._key)

    def _policy(self) -> Policy:
        return make_policy(
            self._settings.bind,
            self._daemon.port,
            key=self._key,
            hosts=[*self._settings.allowed_hosts, *self._ties.own_names],
            origins=self._settings.allowed_origins,
            needs=scopes_for,
            certificates=self._ties.is_member,
        )

    async def serve(self) -> None:
        """Adopt, open the doors, beat; return when everything has ended."""
        roster = self._supervisor.roster
        roster.gpu_use = self._gpu_use
        async with (
            self._sharing.source,
            anyio.create_task_group() as group,
            Downloads(
                self._catalog,
                on_change=roster.pulse.beat,
                limits=download_limits(self._settings),
                loaded=self._loaded,
                judge=self._judge,
                colony=self._sharing.source,
                book=hive_dir() / DOWNLOADS_FILE,
            ) as downloads,
            JobServer(actor=f"hive {self._id}") as jobs,
        ):
            self._operations = Operations(
                self._id,
                self._settings,
                engines=self._engines,
                inventory=self._inventory,
                catalog=self._catalog,
                downloads=downloads,
                supervisor=self._supervisor,
                fitting=self._fitting,
                epochs=self._epochs,
            )
            await group.start(self._try_engines)
            await group.start(self._supervisor.run)
            group.start_soon(self._inventory.run)
            open_at = self._daemon.listen_also
            group.start_soon(
                self._ties.run, self._facts, roster, self._epochs, self._over_link, open_at
            )
            supervisor = self._supervisor
            group.start_soon(stop_idle, supervisor, self._settings.keep_alive_s, self._ties)
            group.start_soon(measure, self._fitting, roster)
            group.start_soon(note, roster, self._catalog, self._loads)
            await self._daemon.run(make_app(self._parts(jobs), self._policy()), self._wind_down)
            group.cancel_scope.cancel()

    def _parts(self, jobs: JobServer) -> Parts:
        """What the routes reach."""
        return Parts(
            jobs=jobs,
            operations=self._operations,
            capabilities=self._capabilities,
            detect=self._detect,
            engines=lambda: EngineList(engines=self._engines.infos()),
            try_engines=partial(self._try_engines, afresh=True),
            info=self._service_info,
            workers=self._supervisor.store,
            stop=self._daemon.stop,
            search=self._search,
            sharing=self._sharing.doors,
            settings=settings_book(self._settings),
            pages=WorkerPages(self._supervisor.roster, self._ties.framing),
            metrics=Figures(
                self._id,
                node=Node(self._catalog.root, self._inventory.gpus).look,
                workers=self._supervisor.roster.stats,
                jobs=lambda: [job.status for job in jobs.list()],
            ),
        )

    async def _wind_down(self) -> None:
        """End the workers, or leave them; the doors still answer meanwhile."""
        self._stopping = self._operations.stopping = True
        if self._daemon.stop.keep_workers:
            _log.info("leaving workers", count=len(self._supervisor.roster.by_id))
        else:
            async with anyio.create_task_group() as ending:
                ending.start_soon(self._force_when_hurried)
                await self._supervisor.stop_all()
                ending.cancel_scope.cancel()
        await self._ties.last()

    async def _force_when_hurried(self) -> None:
        """A second Ctrl+C: whoever pressed it does not want to wait for running answers."""
        await self._daemon.stop.hurried.wait()
        _log.info("not waiting for running answers")
        for worker_id in list(self._supervisor.roster.by_id):
            self._supervisor.stop(worker_id, force=True)

    # ── what models may come and go ──────────────────────────────────────────

    def _loaded(self) -> set[str]:
        return self._operations.models.loaded()

    def _judge(self) -> Judge:
        """Who says what fits, as the workers are now; called in threads."""
        others = neighbours(self._supervisor.roster)
        gpus = gpu_memory(self._inventory.devices(), self._engines)
        run = partial(usual_run, self._settings)
        return lambda facts: self._fitting.offer(facts, run(facts), others, gpus)

    async def _search(self, words: str, limit: int, fit: bool) -> ModelSearch:
        judge = self._judge() if fit else None
        return await self._hub_search.find(words, limit, hub_settings(), judge)

    # ── what is told ─────────────────────────────────────────────────────────

    def _facts(self) -> Facts:
        node = Node(self._catalog.root, self._inventory.gpus)
        return Facts(
            hive_id=self._id,
            info=self._hive_info,
            node=node.look,
            capabilities=self._capabilities,
            capabilities_revision=lambda: self._inventory.revision + self._engines.revision,
            models=self._models,
            downloads=self._operations.models.downloads,
            hive_url=self._ties.url_at(self._daemon.port),
        )

    def _over_link(self) -> HotProtocol | None:
        """A connection of this hive's own server, for a stream that the queen opened."""
        server = self._daemon.server
        if server is None:
            return None
        # TLS has proved that it is she; without it she shows her key, as over any port.
        return server.connection(self._ties.queen_peer)

    async def _detect(self) -> None:
        """Look for devices anew, and let the queen know at once what changed."""
        if await self._inventory.detect():
            self._supervisor.roster.pulse.beat()

    async def _try_engines(
        self,
        *,
        afresh: bool = False,
        task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        """Try the engines, and let the queen know what came of it."""
        await self._engines.probe(hive_dir() / ENGINES_FILE, afresh=afresh, task_status=task_status)
        self._supervisor.roster.pulse.beat()

    async def _models(self) -> list[Model]:
        return await anyio.to_thread.run_sync(self._operations.model_rows)

    def _gpu_use(self, pid: int | None, device_ids: tuple[str, ...]) -> GpuUse:
        return use_of(pid, device_ids, self._inventory.used(), self._inventory.devices())

    def _hive_info(self) -> HiveInfo:
        return HiveInfo(
            id=self._id,
            hostname=socket.gethostname(),
            address=self._ties.address,
            port=self._daemon.port,
            version=rbee.__version__,
            operational_status="stopping" if self._stopping else "ready",
            health_status="degraded" if self._supervisor.trouble else "healthy",
            outbound_only=self._settings.outbound_only,
            tls=self._ties.speaks_tls,
            labels=self._settings.labels,
        )

    def _memory(self) -> tuple[int, int]:
        """All memory that workers on the CPU may take, and what is free of it, in bytes."""
        workers = tuple(self._supervisor.roster.by_id.values())  # asked in threads
        return within(self._settings.memory_max_mb, machine_memory(), held_mb(workers))

    def _capabilities(self) -> Capabilities:
        return Capabilities(
            devices=shown(self._inventory.devices(), self._settings.memory_max_mb),
            cpu_cores=cpu_cores(),
            total_ram_gb=round(psutil.virtual_memory().total / _GIB, 2),
            engines=self._engines.infos(),
            device_problems=self._inventory.problems(),
        )

    def _service_info(self) -> ServiceInfo:
        usable = [info.name for info in self._engines.infos() if info.usable]
        return ServiceInfo(
            service="hive",
            version=rbee.__version__,
            base_url=self._daemon.base_url,
            port=self._daemon.port,
            pid=os.getpid(),
            features=[f"engine:{name}" for name in usable],
            hive_id=self._id,
            queen_url=self._ties.queen_url,
            started_at=self._started_at,
        )
