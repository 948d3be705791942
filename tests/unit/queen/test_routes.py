"""The ways to a worker on another machine, over real sockets: tunnel, direct, and back.

On one machine there is no address but loopback, so here the addresses to try are given.
"""

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from rbee.contracts.hives import Heartbeat
from rbee.contracts.ids import HiveId
from rbee.queen.inference.pool import Pool, connect_tcp
from rbee.queen.inference.upstream import WorkerGone
from rbee.queen.registry.colony import Colony
from rbee.queen.registry.workers import RoutableWorker
from rbee.queen.routes.choice import Network
from rbee.queen.routes.spares import SPARES_MAX
from rbee.queen.routes.table import Routes
from rbee.testing.identities import Identities
from rbee.testing.raw_worker import Conversation, beat, raw_worker, ready_worker
from rbee.testing.waiting import until
from rbee.worker.tls.door import Door

pytestmark = pytest.mark.anyio

P = TypeVar("P", bound=asyncio.Protocol)

HOST = "127.0.0.1"
SECRET = "secret"  # what ``beat`` gives its workers


class _Later(asyncio.Transport):
    """A transport whose socket is connected in the background, as a stream of a link is."""

    def __init__(self) -> None:
        super().__init__()
        self.inner: asyncio.Transport | None = None
        self._held: list[bytes] = []

    def connected(self, inner: asyncio.Transport) -> None:
        self.inner = inner
        inner.write(b"".join(self._held))

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.inner is None:
            self._held.append(bytes(data))
        else:
            self.inner.write(data)

    def abort(self) -> None:
        if self.inner is not None:
            self.inner.abort()

    def pause_reading(self) -> None:
        if self.inner is not None:
            self.inner.pause_reading()

    def resume_reading(self) -> None:
        if self.inner is not None:
            self.inner.resume_reading()


class Tunnel:
    """A link to one hive, whose worker listens on ``port``: bytes go there over loopback."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.up = True
        self.opened: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def linked(self, hive_id: HiveId) -> bool:
        return self.up and hive_id == "hive"

    def peer(self, hive_id: HiveId) -> str | None:
        return HOST if self.linked(hive_id) else None

    def open(self, hive_id: HiveId, target: str, make: Callable[[], P]) -> P:
        if not self.linked(hive_id):
            raise ConnectionAbortedError("no link")
        self.opened.append(target)
        protocol, transport = make(), _Later()
        protocol.connection_made(transport)

        async def connect() -> None:
            try:
                inner, _ = await asyncio.get_running_loop().create_connection(
                    lambda: _Inner(protocol), HOST, self.port
                )
            except OSError as error:
                protocol.connection_lost(error)
            else:
                transport.connected(inner)

        task = asyncio.get_running_loop().create_task(connect())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return protocol


class _Inner(asyncio.Protocol):
    def __init__(self, outer: asyncio.Protocol) -> None:
        self.data_received = outer.data_received
        self.connection_lost = outer.connection_lost


async def echo(conversation: Conversation) -> None:
    """A worker that says which path was asked."""
    await conversation.answer(200, {"path": conversation.path})


class Stand:
    """A far hive with one worker: its engine, its door, and a queen's registry and pool."""

    def __init__(
        self,
        engine_port: int,
        listener: socket.socket,
        routes: Routes,
        serving: asyncio.Task[None],
    ) -> None:
        self.serving = serving
        self.tunnel = Tunnel(engine_port)
        self.engine_port = engine_port
        self.listener = listener
        self.routes = routes
        routes.tunnels = self.tunnel
        self.colony = Colony(hostname="here")
        self.colony.reach = routes
        routes.changed = self.colony.reroute
        self.pool = Pool(routes.connect)
        routes.moved = self.pool.forget_kept

    async def cut(self) -> None:
        """The direct way is gone: a firewall, a moved cable."""
        self.listener.close()
        self.serving.cancel()
        await asyncio.wait([self.serving])
        await until(lambda: not self.routes.ready("w1"))

    def beat(self, *, at: float = 1.0, tls_port: int | None = None) -> Heartbeat:
        """What the far hive says."""
        worker = msgspec.structs.replace(
            ready_worker("w1", self.engine_port),
            tls_port=tls_port or self.listener.getsockname()[1],
        )
        one = beat([worker], at=at)
        one.hive_info.hostname, one.hive_info.address = "there", "10.0.0.7"
        return one

    def hear(self, one: Heartbeat | None = None) -> None:
        self.colony.beat(one or self.beat(), asyncio.get_running_loop().time(), near=False)

    @property
    def worker(self) -> RoutableWorker:
        (worker,) = self.colony.serving("m")
        return worker

    async def ask(self) -> bytes:
        """One request by the way that the routes choose."""
        worker = self.worker
        upstream = await self.pool.fresh(worker)
        upstream.send(self.pool.request(worker, "/v1/completions", b"{}"))
        try:
            async with asyncio.timeout(5):
                return await upstream.read_all()
        finally:
            upstream.abort()


@contextlib.asynccontextmanager
async def far_worker(
    folder: Path, *, trusted: list[Network] | None = None, hive_id: str = "hive"
) -> AsyncGenerator[Stand]:
    colony = Identities(folder)
    async with raw_worker(echo) as port:
        listener = socket.create_server((HOST, 0))
        door = Door(
            listener,
            (HOST, port),
            identity=colony.hive(hive_id),
            secret=SECRET,
            trusted=trusted or [],
        )
        routes = Routes(
            connect_tcp,
            identity=colony.queen(),
            trusted=trusted or [],
            candidates=lambda _advertised, _seen: (HOST,),
        )
        tasks = [asyncio.create_task(door.serve()), asyncio.create_task(routes.run())]
        stand = Stand(port, listener, routes, tasks[0])
        try:
            yield stand
        finally:
            for task in tasks:
                task.cancel()
            stand.pool.close()
            listener.close()


async def test_it_starts_on_the_tunnel_and_goes_direct_once_that_is_proved(tmp_path: Path) -> None:
    async with far_worker(tmp_path) as stand:
        stand.hear()
        assert stand.worker.route == "tunnel"
        assert await stand.ask() == b'{"path":"/v1/completions"}'
        assert stand.tunnel.opened == ["worker:w1"]
        await until(lambda: stand.worker.route == "direct")
        assert await stand.ask() == b'{"path":"/v1/completions"}'
        assert stand.tunnel.opened == ["worker:w1"]


async def test_the_direct_way_outlives_the_link(tmp_path: Path) -> None:
    async with far_worker(tmp_path) as stand:
        stand.hear()
        await until(lambda: stand.worker.route == "direct")
        stand.tunnel.up = False
        stand.colony.reroute(HiveId("hive"))
        assert stand.worker.route == "direct"
        assert await stand.ask() == b'{"path":"/v1/completions"}'


async def test_a_direct_way_that_fails_falls_back_to_the_tunnel_unseen(tmp_path: Path) -> None:
    async with far_worker(tmp_path) as stand:
        stand.hear()
        await until(lambda: stand.worker.route == "direct")
        await stand.cut()
        assert await stand.ask() == b'{"path":"/v1/completions"}'
        assert stand.tunnel.opened == ["worker:w1"]
        assert stand.worker.route == "tunnel"


async def test_a_connection_that_breaks_costs_the_way_and_not_the_worker(tmp_path: Path) -> None:
    async with far_worker(tmp_path) as stand:
        stand.hear()
        await until(lambda: stand.worker.route == "direct")
        stand.colony.mark_dead("w1", 1)
        assert stand.worker.route == "tunnel"
        stand.colony.mark_dead("w1", 1)  # over a link that stands: nobody listens there
        assert stand.colony.serving("m") == []


async def test_without_a_link_a_broken_way_buries_nobody(tmp_path: Path) -> None:
    async with far_worker(tmp_path) as stand:
        stand.hear(stand.beat(tls_port=1))  # nothing answers there
        assert stand.worker.route == "tunnel"
        stand.tunnel.up = False
        stand.colony.mark_dead("w1", 1)
        assert stand.colony.serving("m") == []
        stand.tunnel.up = True
        stand.colony.reroute(HiveId("hive"))
        assert stand.worker.route == "tunnel"


async def test_neither_another_hives_worker_nor_another_process_is_gone_direct_to(
    tmp_path: Path,
) -> None:
    async with far_worker(tmp_path / "a", hive_id="another") as stand:
        stand.hear()
        refused = await why(stand)
        assert "certificate" in refused
        assert stand.worker.route == "tunnel"
    async with far_worker(tmp_path / "b") as stand:
        one = stand.beat()
        one.worker_keys = {"w1": "not the secret of who answers there"}
        stand.hear(one)
        refused = await why(stand)
        assert "another worker" in refused
        assert stand.worker.route == "tunnel"


async def why(stand: Stand) -> str:
    """Why the first probe failed."""
    await until(lambda: stand.routes.why("w1") is not None)
    return stand.routes.why("w1") or ""


async def test_plain_only_where_both_sides_declared_the_network(tmp_path: Path) -> None:
    here = [ipaddress.ip_network("127.0.0.0/8")]
    async with far_worker(tmp_path, trusted=list(here)) as stand:
        stand.hear()
        await until(lambda: stand.worker.route == "plain")
        assert await stand.ask() == b'{"path":"/v1/completions"}'
        assert stand.tunnel.opened == []


async def test_a_local_worker_is_reached_as_ever(tmp_path: Path) -> None:
    async with far_worker(tmp_path) as stand:
        stand.colony.beat(beat([ready_worker("w1", stand.engine_port)]), 1.0, near=True)
        assert stand.worker.route == "local"
        assert await stand.ask() == b'{"path":"/v1/completions"}'
        assert stand.tunnel.opened == []


async def test_a_far_hive_that_calls_itself_local_is_not(tmp_path: Path) -> None:
    async with far_worker(tmp_path) as stand:
        stand.tunnel.up = False
        one = beat([ready_worker("w1", stand.engine_port)])  # 127.0.0.1 on "here"
        stand.colony.beat(one, 1.0, near=False)
        assert stand.colony.serving("m") == []  # there, port 9000 is another machine's


async def test_its_health_is_asked_by_its_way(tmp_path: Path) -> None:
    async with far_worker(tmp_path) as stand:
        stand.hear()
        worker = stand.worker
        assert await stand.routes.answers(worker)
        await until(lambda: stand.worker.route == "direct")
        stand.tunnel.up = False
        assert await stand.routes.answers(worker)
        await stand.cut()
        assert not await stand.routes.answers(worker)
        with pytest.raises(WorkerGone):
            await stand.pool.fresh(worker)


async def test_kept_connections_of_the_old_way_are_given_up(tmp_path: Path) -> None:
    async with far_worker(tmp_path) as stand:
        stand.hear()
        kept = msgspec.structs.replace(stand.worker, unary_cancel=True)
        upstream = await stand.pool.fresh(kept)
        upstream.send(stand.pool.request(kept, "/a", b"{}"))
        await upstream.read_all()
        running = await stand.pool.fresh(kept)
        running.send(stand.pool.request(kept, "/b", b"{}"))
        stand.pool.give_back(upstream, kept)
        await until(lambda: stand.worker.route == "direct")
        assert stand.pool.idle(kept) is None
        await running.read_all()  # it began on the old way, and ends there
        assert running.reusable
        stand.pool.give_back(running, kept)
        assert stand.pool.idle(kept) is None


async def test_a_worker_in_use_has_connections_ready_that_cost_its_engine_nothing(
    tmp_path: Path,
) -> None:
    async with far_worker(tmp_path) as stand:
        stand.hear()
        await until(lambda: stand.worker.route == "direct")
        assert stand.routes.ready("w1") == 0  # nobody asks for it
        assert await stand.ask() == b'{"path":"/v1/completions"}'
        await until(lambda: stand.routes.ready("w1") == SPARES_MAX)
        for _ in range(SPARES_MAX + 2):
            assert await stand.ask() == b'{"path":"/v1/completions"}'
        await until(lambda: stand.routes.ready("w1") == SPARES_MAX)
        stand.colony.mark_dead("w1", 1)
        assert stand.routes.ready("w1") == 0
