"""The queen put together: every part is made here once and given what it needs.

``composing`` says what a request meets on its way in. Beside the server run the loops:
reconciler, watch, telemetry, the links', the keys' and the jobs' own.
"""

import socket
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.to_thread
import httpx2

from rbee.contracts.ids import HiveId
from rbee.foundation import config, logs, paths
from rbee.foundation.addresses import is_loopback
from rbee.foundation.daemon import Daemon
from rbee.foundation.http.certificates import Tls, given_files
from rbee.foundation.http.door import trusted_networks
from rbee.foundation.http.gate import Policy
from rbee.foundation.http.tls import ANYONE, PemFiles, identity_context
from rbee.foundation.identity.authority import open_authority
from rbee.foundation.identity.folder import ca_dir, queen_client_dir, queen_server_identity
from rbee.foundation.jobserver import JobServer
from rbee.queen.api.openai import OpenAIDoor
from rbee.queen.api.ws import PATH as MIRROR_PATH
from rbee.queen.api.ws import MirrorDoor
from rbee.queen.collector import calm_collector
from rbee.queen.composing import Parts, compose, control_plane
from rbee.queen.epoch import next_epoch
from rbee.queen.from_settings import (
    adopting,
    gate_policy,
    limits,
    placement_policy,
    settings_book,
)
from rbee.queen.infer_operation import InferOperation
from rbee.queen.inference.admission import Admission
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
from rbee.queen.scheduling.rates import Rates
from rbee.queen.settings import DRAIN_S, KNOWN_HIVES_FILE, Settings
from rbee.queen.state.assembly import Watched, hear_of_keys, hear_of_placement, make_publisher
from rbee.queen.state.publisher import Publisher
from rbee.queen.store.choice import make_journal
from rbee.queen.tally import Tally
from rbee.queen.telemetry import Telemetry
from rbee.queen.tracing import make_traces
from rbee.queen.watch import Watch


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
        self._settings = settings
        self._daemon = daemon
        self._key = key
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
            limits(settings),
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
        self._rates = Rates(wall_clock=time.time)
        self.office = self._make_office(directory)
        self._installs = self._make_installs(directory)
        self.state = self._make_state(admission)
        policy = gate_policy(settings, daemon.port, key, self.office.accepts)
        self._hosts = policy.hosts
        media = Media(settings.media_hosts)
        self.door = OpenAIDoor(
            self.dispatcher, self.colony, self.tally, self._rates, traces=self.traces, media=media
        )
        self.keys = self._key_book(policy)
        parts = self._parts(policy, admission, media)
        self.control = control_plane(parts)
        self.app = compose(parts, self.control)
        self.hot = self.door.hot(policy)
        self.hot.upgrades[LINK_PATH] = LinkDoor(self.links, policy, self.office.check_speaker)
        self.hot.upgrades[MIRROR_PATH] = MirrorDoor(self.telemetry, self.state, policy)

    def _reconciler(self, settings: Settings, directory: Path) -> Reconciler:
        return Reconciler(
            colony=self.colony,
            demand=self.demand,
            lines=self.lines,
            policy=placement_policy(settings),
            known_file=directory / KNOWN_HIVES_FILE,
            quiet_s=settings.quiet_s,
        )

    def _key_book(self, policy: Policy) -> KeyBook:
        keyring, quotas = policy.keyring, self._rates.quotas
        keys = KeyBook(keyring, self._journal, configured=self._settings.keys, quotas=quotas)
        keys.on_gone.append(self._rates.forget)
        hear_of_keys(self.state, keys)
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

    def _make_office(self, directory: Path) -> Office:
        """Who may be a hive; a revoked one is forgotten, and its link cut, at once."""
        office = Office(directory, in_use=self._is_elsewhere)
        office.on_revoked.append(lambda hive_id: self.colony.forget(HiveId(hive_id)))
        office.on_revoked.append(self.links.drop)
        return office

    def _make_installs(self, directory: Path) -> HiveInstalls:
        return HiveInstalls(
            office=self.office,
            colony=self.colony,
            directory=directory,
            ssh_key=self._settings.ssh_key,
            port=lambda: self._daemon.port,
            key=self._key,
        )

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

    def _parts(self, policy: Policy, admission: Admission, media: Media) -> Parts:
        """What the control plane's routes reach."""
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
        return Parts(
            daemon=self._daemon,
            policy=policy,
            door=self.door,
            jobs=self.jobs,
            operations=operations,
            colony=self.colony,
            reconciler=self.reconciler,
            telemetry=self.telemetry,
            plane=self.dispatcher.plane,
            lines=self.lines,
            office=self.office,
            installs=self._installs,
            keys=self.keys,
            state=self.state,
            figures=self._make_figures(admission),
            settings=settings_book(
                self._settings,
                key=self._key,
                adopt=adopting(admission, self.reconciler, admission.router, media),
            ),
        )


def _lines(links: Links, key: str | None, hive_http: httpx2.AsyncBaseTransport | None) -> HiveLines:
    """The lines to all hives: over their links, else by TLS with her own certificate."""
    return HiveLines(
        key=key,
        http=hive_http,
        over=HttpOverLinks(links),
        epoch=links.epoch,
        tls=lambda: identity_context(queen_client_dir(), expects=ANYONE),
    )


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
    policy = gate_policy(settings, settings.port, key)
    tls = None if is_loopback(settings.bind) else _tls(settings, policy)
    daemon = Daemon(
        "queen", settings.bind, settings.port, tls=tls, trusted=settings.trusted_networks
    )
    daemon.open_pages(settings.bind, settings.pages_port)
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
