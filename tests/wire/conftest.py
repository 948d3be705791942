"""The real ASGI apps of queen and hive, in this process, without sockets of clients."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import pytest
from starlette.types import ASGIApp

from rbee.contracts.daemon import ServiceInfo
from rbee.contracts.hives import Capabilities, EngineList
from rbee.contracts.ids import HiveId
from rbee.foundation.daemon import Daemon, Stop
from rbee.foundation.http.gate import make_policy
from rbee.foundation.jobserver import JobServer
from rbee.hive.api.routes import Parts, make_app
from rbee.hive.api.worker_pages import WorkerPages
from rbee.hive.devices.cpu import CpuProbe
from rbee.hive.devices.inventory import Inventory
from rbee.hive.devices.node import Node
from rbee.hive.engines.catalog import make_engines
from rbee.hive.fitting import Fitting
from rbee.hive.from_settings import settings_book
from rbee.hive.isolation.plan import Found
from rbee.hive.metrics import Figures
from rbee.hive.models.catalog import Catalog
from rbee.hive.models.downloads import Downloads
from rbee.hive.models.hub import hub_settings
from rbee.hive.models.load_times import LoadTimes
from rbee.hive.models.measured import MeasuredRuns
from rbee.hive.models.search import HubSearch
from rbee.hive.operations import Operations
from rbee.hive.settings import HiveSettings
from rbee.hive.sharing.giving import Sharing
from rbee.hive.sharing.shelf import Shelf
from rbee.hive.sharing.uploads import Uploads
from rbee.hive.workers.lifecycle import Budget
from rbee.hive.workers.supervisor import Supervisor, SupervisorLimits
from rbee.queen.app import Queen
from rbee.queen.settings import Settings
from wire.table import Server

KEY = "a-long-made-up-key"


@pytest.fixture
def key() -> str | None:
    """The colony's key; a test that wants one overrides this by parametrising it."""
    return None


@pytest.fixture
def queen_daemon() -> Iterator[Daemon]:
    daemon = Daemon("queen", "127.0.0.1", 0)
    yield daemon
    for listener in daemon.sockets:
        listener.close()


@pytest.fixture
def queen_settings() -> Settings:
    """The queen's settings; a test that wants others overrides this."""
    return Settings(store="memory")


@pytest.fixture
async def queen_app(
    queen_daemon: Daemon, key: str | None, queen_settings: Settings
) -> AsyncIterator[ASGIApp]:
    queen = Queen(queen_settings, queen_daemon, key=key)
    async with queen.jobs, anyio.create_task_group() as group:
        group.start_soon(queen.keys.run)
        yield queen.app
        group.cancel_scope.cancel()
    await queen.lines.close()


def supervisor_limits(settings: HiveSettings) -> SupervisorLimits:
    return SupervisorLimits(
        first_port=settings.first_worker_port,
        budget=Budget(restarts_max=settings.restarts_max, window_s=settings.restart_window_s),
        drain_s=settings.drain_s,
        load_s=settings.load_s,
        orphan_s=settings.orphan_s,
        log_bytes_max=settings.log_bytes_max,
        hang_s=settings.hang_s,
        isolation=Found(),
    )


@pytest.fixture
async def hive_app(tmp_path: Path, key: str | None) -> AsyncIterator[ASGIApp]:
    settings = HiveSettings()
    engines = make_engines(scripted=True, script=None)
    inventory = Inventory([CpuProbe()])
    await inventory.detect()
    catalog = Catalog(tmp_path / "models")
    supervisor = Supervisor(
        tmp_path / "workers", tmp_path / "alive", engines, supervisor_limits(settings)
    )
    async with (
        anyio.create_task_group() as group,
        Downloads(catalog, on_change=supervisor.roster.pulse.beat) as downloads,
        JobServer(actor="hive") as jobs,
    ):
        await group.start(supervisor.run)
        operations = Operations(
            HiveId("hive-1"),
            settings,
            engines=engines,
            inventory=inventory,
            catalog=catalog,
            downloads=downloads,
            supervisor=supervisor,
            fitting=Fitting(
                catalog,
                MeasuredRuns(tmp_path / "measured.json"),
                LoadTimes(tmp_path / "loads.json"),
            ),
        )
        search, shelf = HubSearch(), Shelf(catalog)
        parts = Parts(
            jobs=jobs,
            operations=operations,
            capabilities=lambda: Capabilities(
                devices=inventory.devices(), cpu_cores=1, total_ram_gb=1.0
            ),
            detect=inventory.detect,
            engines=lambda: EngineList(engines=engines.infos()),
            try_engines=lambda: engines.probe(tmp_path / "engines.json"),
            info=lambda: ServiceInfo(
                service="hive", version="0", base_url="http://localhost", port=1, pid=1
            ),
            workers=supervisor.store,
            settings=settings_book(settings),
            stop=Stop(),
            search=lambda words, limit, _fit: search.find(words, limit, hub_settings()),
            metrics=Figures(
                "hive-1",
                node=Node(tmp_path).look,
                workers=supervisor.roster.stats,
                jobs=lambda: [job.status for job in jobs.list()],
            ),
            sharing=Sharing(shelf, Uploads(shelf, uploads_max=1, rate_max_mb_s=None)),
            pages=WorkerPages(supervisor.roster, lambda _scheme, _host: []),
        )
        policy = make_policy("127.0.0.1", 7835, key=key, hosts=[], origins=[])
        yield make_app(parts, policy)
        group.cancel_scope.cancel()


@pytest.fixture
def apps(queen_app: ASGIApp, hive_app: ASGIApp) -> dict[Server, ASGIApp]:
    return {"queen": queen_app, "hive": hive_app}
