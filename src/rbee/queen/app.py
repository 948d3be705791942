"""The queen put together: every part is made here once and given what it needs.

The console's page and files are open; every other request passes the gate (Host,
Origin, key), then either the OpenAI door, which stands in front of Starlette because
it is the hot path, or the control plane's routes. Beside the server run four loops:
reconciler, watch, telemetry and the jobs' own.
"""

import socket
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
import httpx2
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from rbee.contracts.ids import HiveId
from rbee.errors import RbeeError
from rbee.foundation import config, logs, paths
from rbee.foundation.addresses import is_loopback
from rbee.foundation.daemon import Daemon
from rbee.foundation.http.answers import health_route, not_yet_routes
from rbee.foundation.http.certificates import Tls, given_files
from rbee.foundation.http.door import trusted_networks
from rbee.foundation.http.gate import Gate, Policy, make_policy
from rbee.foundation.http.jobs_api import job_routes
from rbee.foundation.http.openapi import openapi_route
from rbee.foundation.http.problems import as_problem, make_problem_response
from rbee.foundation.http.tls import ANYONE, Peer, PemFiles, identity_context
from rbee.foundation.identity.authority import open_authority
from rbee.foundation.identity.folder import ca_dir, queen_client_dir, queen_server_identity
from rbee.foundation.jobserver import JobServer
from rbee.foundation.metrics import metrics_route
from rbee.queen.api.access import scopes_for
from rbee.queen.api.console import with_console
from rbee.queen.api.control import control_routes
from rbee.queen.api.dialects import dialect_of
from rbee.queen.api.dialects import render as in_dialect
from rbee.queen.api.heartbeats import heartbeat_routes
from rbee.queen.api.hive_care import hive_care_routes
from rbee.queen.api.joining import joining_routes
from rbee.queen.api.keys import key_routes
from rbee.queen.api.not_yet import LINES
from rbee.queen.api.openai import OpenAIDoor
from rbee.queen.api.plan import plan_routes
from rbee.queen.api.reference import queen_document
from rbee.queen.api.session import session_routes
from rbee.queen.api.sharing import sharing_routes
from rbee.queen.api.state import state_routes
from rbee.queen.api.why import why_routes
from rbee.queen.api.ws import PATH as MIRROR_PATH
from rbee.queen.api.ws import MirrorDoor
from rbee.queen.collector import calm_collector
from rbee.queen.epoch import next_epoch
from rbee.queen.infer_operation import InferOperation
from rbee.queen.inference.admission import Admission, Limits
from rbee.queen.inference.dispatch import Dispatcher
from rbee.queen.inference.ledger import Ledger
from rbee.queen.inference.media import Media
from rbee.queen.inference.pool import Pool, connect_tcp
from rbee.queen.inference.router import Router
from rbee.queen.installing import HiveInstalls
from rbee.queen.joining.office import Office
from rbee.queen.joining.presence import be_present
from rbee.queen.keys.book import KeyBook
from rbee.queen.lines import HiveLines
from rbee.queen.links.door import PATH as LINK_PATH
from rbee.queen.links.door import LinkDoor
from rbee.queen.links.http import HttpOverLinks
from rbee.queen.links.registry import Links
from rbee.queen.metrics import Figures
from rbee.queen.operations import Operations
from rbee.queen.reconciler import Reconciler
from rbee.queen.registry.colony import Colony
from rbee.queen.routes.table import Routes
from rbee.queen.scheduling.demand import Demand
from rbee.queen.scheduling.options import Policy as PlacementPolicy
from rbee.queen.scheduling.rates import Rates
from rbee.queen.settings import DRAIN_S, KNOWN_HIVES_FILE, Settings
from rbee.queen.state.assembly import Watched, hear_of_keys, hear_of_placement, make_publisher
from rbee.queen.state.publisher import Publisher
from rbee.queen.store.choice import make_journal
from rbee.queen.tally import Tally
from rbee.queen.telemetry import Telemetry
from rbee.queen.tracing import make_traces
from rbee.queen.watch import Watch

_HTTP: Final = "http"


class Queen:
    """All parts of a queen; ``app`` is the ASGI app. ``hive_http`` swaps the wire to hives."""

    def __init__(
        self,
        settings: Settings,
        daemon: Daemon,
        *,
        key: str | None,
        hive_http: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        directory = paths.data_dir() / "queen"
        self.colony = Colony(hostname=socket.gethostname())
        self.demand = Demand()
        self.telemetry = Telemetry(self.colony, wall_clock=time.time)
        epoch = next_epoch(directory, time.time())
        self.links = Links(self.colony, epoch=epoch, heard=self.telemetry.beat)
        self.lines = _lines(self.links, key, hive_http)
        self.reconciler = self._reconciler(settings, directory)
        admission = Admission(
            self.colony,
            self.demand,
            _limits(settings),
            router=Router(self.colony, settings.routing),
            quiet=lambda: self.reconciler.quiet,
        )
        self.tally = Tally()
        self.ledger = Ledger()
        self._answer_reconciler(admission)
        self.routes = Routes(
            connect_tcp,
            identity=queen_client_dir(),
            trusted=trusted_networks(settings.trusted_networks),
        )
        self.pool = self._pool(admission.router)
        self.dispatcher = Dispatcher(
            self.colony, admission, self.pool, ledger=self.ledger, tally=self.tally
        )
        self._journal = make_journal(settings.store, directory)
        self.jobs = JobServer(actor="queen", journal=self._journal)
        self.traces = make_traces(settings.otlp_endpoint)
        self._figures = self._make_figures(admission)
        self._settings = settings
        self._daemon = daemon
        self._rates = Rates(wall_clock=time.time)
        self.office = Office(directory, in_use=self._is_elsewhere)
        self.office.on_revoked.append(lambda hive_id: self.colony.forget(HiveId(hive_id)))
        self._installs = HiveInstalls(
            office=self.office,
            colony=self.colony,
            directory=directory,
            ssh_key=settings.ssh_key,
            port=lambda: daemon.port,
            key=key,
        )
        self.state = self._make_state(admission)
        policy = _gate_policy(settings, daemon.port, key, self.office.accepts)
        self._hosts = policy.hosts
        self.door = OpenAIDoor(
            self.dispatcher,
            self.colony,
            self.tally,
            self._rates,
            traces=self.traces,
            media=Media(settings.media_hosts),
        )
        self.keys = self._key_book(policy)
        hear_of_keys(self.state, self.keys)
        self.app = self._compose(policy)
        self.hot = self.door.hot(policy)
        self.hot.upgrades[LINK_PATH] = LinkDoor(self.links, policy, self.office.check_speaker)
        self.hot.upgrades[MIRROR_PATH] = MirrorDoor(self.telemetry, self.state, policy)
        self.office.on_revoked.append(self.links.drop)

    def _reconciler(self, settings: Settings, directory: Path) -> Reconciler:
        return Reconciler(
            colony=self.colony,
            demand=self.demand,
            lines=self.lines,
            policy=PlacementPolicy(
                auto_download=settings.auto_download, settings=settings.placement
            ),
            known_file=directory / KNOWN_HIVES_FILE,
            quiet_s=settings.quiet_s,
        )

    def _key_book(self, policy: Policy) -> KeyBook:
        keyring, quotas = policy.keyring, self._rates.quotas
        keys = KeyBook(keyring, self._journal, configured=self._settings.keys, quotas=quotas)
        keys.on_gone.append(self._rates.forget)
        return keys

    def _make_state(self, admission: Admission) -> Publisher:
        """What pages watch; it hears of placements too."""
        watched = Watched(
            colony=self.colony,
            demand=self.demand,
            ledger=self.ledger,
            tally=self.tally,
            jobs=self.jobs,
            office=self.office,
            linked=self.links.linked,
            running=lambda: admission.running,
        )
        publisher = make_publisher(watched, time.time)
        hear_of_placement(publisher, self.reconciler.hooks)
        return publisher

    def _make_figures(self, admission: Admission) -> Figures:
        return Figures(
            tally=self.tally,
            colony=self.colony,
            queue=self.demand,
            running=lambda: admission.running,
            jobs=lambda: [job.status for job in self.jobs.list()],
        )

    def _pool(self, router: Router) -> Pool:
        """Connections to workers by their routes, and who hears of what those find out."""
        routes, links, colony = self.routes, self.links, self.colony
        routes.tunnels = links
        links.subscribe(colony.reroute)
        colony.reach = routes
        routes.changed = colony.reroute
        pool = Pool(routes.connect)
        routes.moved = pool.forget_kept
        routes.measured = pool.connected = router.connected
        return pool

    def _answer_reconciler(self, admission: Admission) -> None:
        """What placement wants to know of the data plane, and who hears of it."""
        hooks, tally = self.reconciler.hooks, self.tally
        hooks.running = lambda worker_id: admission.running.get(worker_id, 0)
        hooks.service_s = self.demand.service.mean_s
        hooks.on_spawn = lambda _model, ok, load_s: tally.spawned(ok=ok, load_s=load_s)
        hooks.on_placed = self.ledger.placed
        hooks.on_evict = lambda _model, reason: tally.evicted(reason)

    def _is_elsewhere(self, hive_id: str, address: str) -> bool:
        """Whether a live hive of this name, without a certificate, runs at another address."""
        for hive in self.colony.hives():
            if hive.id == hive_id and hive.state != "down" and hive.info is not None:
                return hive.info.address != address
        return False

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Run the loops beside the server for the length of a block."""
        try:
            async with self.jobs, anyio.create_task_group() as loops:
                loops.start_soon(self.reconciler.run)
                loops.start_soon(self.links.run)
                loops.start_soon(self.routes.run)
                loops.start_soon(Watch(self.colony, answers=self.routes.answers).run)
                loops.start_soon(self.telemetry.run)
                loops.start_soon(self.state.run)
                loops.start_soon(self.keys.run)
                loops.start_soon(self.pool.run)
                if not is_loopback(self._settings.bind):
                    port, announced = self._daemon.port, self._settings.announce
                    loops.start_soon(be_present, self.office, self._hosts, port, announced)
                try:
                    yield
                finally:
                    loops.cancel_scope.cancel()
        finally:
            self.pool.close()
            self.links.close()
            with anyio.CancelScope(shield=True):
                await self.lines.close()
                if self.traces is not None:
                    await anyio.to_thread.run_sync(self.traces.close)

    async def run(self) -> None:
        """Serve until asked to stop; then let running answers end for up to 10 s."""
        async with self.running():
            await self._daemon.run(self.app, self._wind_down, self.hot)

    async def _wind_down(self) -> None:
        """Let running answers end; a second Ctrl+C does not wait for them.

        Jobs that are kept and do not end go on when the queen is back.
        """
        self.jobs.suspend()
        async with anyio.create_task_group() as draining:

            async def hurry() -> None:
                await self._daemon.stop.hurried.wait()
                draining.cancel_scope.cancel()

            draining.start_soon(hurry)
            await self.dispatcher.drain(DRAIN_S)
            draining.cancel_scope.cancel()
        self.jobs.let_go()

    def _compose(self, policy: Policy) -> ASGIApp:
        operations = Operations(
            jobs=self.jobs,
            colony=self.colony,
            demand=self.demand,
            lines=self.lines,
            infer=InferOperation(
                colony=self.colony,
                dispatcher=self.dispatcher,
                reconciler=self.reconciler,
                rates=self._rates,
            ),
            installs=self._installs,
            rates=self._rates,
        )

        def render(error: RbeeError, path: str) -> bytes:
            dialect = dialect_of(path)
            return as_problem(error) if dialect is None else in_dialect(error, dialect)

        respond = make_problem_response(render)
        control = self.control = Starlette(
            routes=[
                health_route(),
                *control_routes(
                    self._daemon,
                    has_key=policy.locked,
                    auto_download=self._settings.auto_download,
                ),
                metrics_route("queen", self._figures),
                openapi_route(queen_document),
                *not_yet_routes(LINES),
                *why_routes(self.ledger),
                *job_routes(self.jobs, operations.submit),
                *heartbeat_routes(self.colony, self.telemetry, self.office.check_speaker),
                *state_routes(self.state),
                *joining_routes(self.office, self.colony),
                *hive_care_routes(self.office, self.colony, self.lines, self._installs),
                *plan_routes(self.colony, self.reconciler, self.lines),
                *key_routes(self.keys),
                *session_routes(policy.keyring),
                *sharing_routes(self.colony, self.lines),
            ],
            exception_handlers={RbeeError: respond, 404: respond, 405: respond, Exception: respond},
        )
        gated = Gate(_front(self.door, control), policy, render)
        return with_console(gated, policy, self._daemon, self.colony)


def _lines(links: Links, key: str | None, hive_http: httpx2.AsyncBaseTransport | None) -> HiveLines:
    """The lines to all hives: over their links, else by TLS with her own certificate."""
    return HiveLines(
        key=key,
        http=hive_http,
        over=HttpOverLinks(links),
        epoch=links.epoch,
        tls=lambda: identity_context(queen_client_dir(), expects=ANYONE),
    )


def _gate_policy(
    settings: Settings,
    port: int,
    key: str | None,
    accepts: Callable[[Peer], bool] = lambda _peer: True,
) -> Policy:
    return make_policy(
        settings.bind,
        port,
        key=key,
        hosts=settings.allowed_hosts,
        origins=settings.allowed_origins,
        keys=settings.keys,
        needs=scopes_for,
        accepts=accepts,
    )


def _limits(settings: Settings) -> Limits:
    return Limits(
        waiting_max=settings.queue_max,
        waiting_per_model_max=settings.queue_per_model_max,
        wait_max_s=settings.wait_max_s,
        may_fetch=settings.auto_download,
    )


def _front(door: OpenAIDoor, control: ASGIApp) -> ASGIApp:
    """The door for its own paths, the control plane for the rest."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == _HTTP and door.handles(scope["path"]):
            await door(scope, receive, send)
        else:
            await control(scope, receive, send)

    return app


async def serve(settings: Settings) -> None:
    """Run a queen in this event loop until a signal or a shutdown request.

    Raises:
        UnsafeBind: others could reach her, and there is no key.
        PortTaken: another program has her port.
        BadSettings: a key, a network or a certificate in the settings cannot be used.
        StorageError: the colony's CA cannot be read or written.
    """
    key = config.colony_key()
    # An unsafe address or a bad key is refused before anything listens on it.
    policy = _gate_policy(settings, settings.port, key)
    tls = None if is_loopback(settings.bind) else _tls(settings, policy)
    daemon = Daemon(
        "queen", settings.bind, settings.port, tls=tls, trusted=settings.trusted_networks
    )
    queen = Queen(settings, daemon, key=key)
    calm_collector()
    await queen.run()


def _tls(settings: Settings, policy: Policy) -> Tls:
    """Her certificates: the colony's own, which is made now, and the operator's."""
    now_s = time.time()
    own = queen_server_identity(open_authority(ca_dir(), now_s), policy.hosts, now_s)
    return Tls(
        PemFiles(cert=own.cert_file, key=own.key_file, ca=own.ca_file),
        given_files(settings.tls_cert, settings.tls_key),
    )


def run(settings: Settings) -> None:
    """Run a queen in this process, in an event loop of its own.

    Raises:
        RbeeError: as ``serve``.
    """
    logs.set_up("queen", level=settings.log_level)
    anyio.run(serve, settings)
