"""A queen's links and a hive's uplink over real sockets, with a cable between that can be cut."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from rbee.contracts.hives import Heartbeat
from rbee.foundation.http.gate import Policy, make_policy
from rbee.foundation.http.server import bind, make_server, port_of
from rbee.foundation.http.wire import Hot
from rbee.hive.epochs import Epochs
from rbee.hive.link.serving import Place, Streams
from rbee.hive.link.uplink import Uplink
from rbee.queen.api.access import scopes_for
from rbee.queen.lines import HiveLines
from rbee.queen.links.door import PATH, LinkDoor
from rbee.queen.links.http import HttpOverLinks
from rbee.queen.links.registry import Links
from rbee.queen.registry.colony import Colony
from rbee.testing.waiting import until

EPOCH = 7


async def _unused(_exchange: object) -> None:
    raise AssertionError("no path is hot here")


def _no_certificates(_certified: str | None, _claimed: str) -> None:
    """Who speaks for whom is tested with the office that decides it."""


class QueenEnd:
    """The queen's side: her port, her links, who beat."""

    def __init__(self, *, key: str | None = None) -> None:
        self.colony = Colony(hostname="elsewhere")
        self.beats: list[Heartbeat] = []
        self.links = Links(self.colony, epoch=EPOCH, heard=self.beats.append)
        self.lines = HiveLines(key=key, over=HttpOverLinks(self.links), epoch=EPOCH)
        self.sockets = bind("127.0.0.1", 0)
        self.port = port_of(self.sockets[0])
        self.policy: Policy = make_policy(
            "127.0.0.1", self.port, key=key, hosts=[], origins=[], needs=scopes_for
        )
        hot = Hot(frozenset(), _unused)
        hot.upgrades[PATH] = LinkDoor(self.links, self.policy, _no_certificates)
        self.server = make_server(Starlette(), hot)


class Cable:
    """A TCP proxy before a port: ``cut`` resets what goes through it, ``mend`` lets it through."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._server: asyncio.Server | None = None
        self._whole = True
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._through, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        self._whole = False
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    def mend(self) -> None:
        self._whole = True

    async def close(self) -> None:
        self.cut()
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()

    async def _through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._whole:
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to)
        self._writers |= {writer, far_writer}
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.get_running_loop().create_task(_pump(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(16_384):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.transport.abort()


class HiveEnd:
    """The hive's side: an app without any port, and its workers' places."""

    def __init__(
        self, url: str, folder: Path, *, hive_id: str = "far", key: str | None = None
    ) -> None:
        self.places: dict[str, Place] = {}
        self.acks: list[bytes] = []
        self.epochs = Epochs(folder)
        self.server = make_server(_app())
        streams = Streams(self.server.connection, self.places.get)
        self.uplinks = {
            lane: Uplink(
                url,
                lane,
                hive_id=hive_id,
                key=key,
                context=lambda: None,
                accept=streams.accept,
                welcomed=self.epochs.check,
            )
            for lane in ("main", "bulk")
        }
        self.main, self.bulk = self.uplinks["main"], self.uplinks["bulk"]
        self.main.acked = self.acks.append
        self.main.wants_bulk = self.bulk.want

    async def run(self) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.main.run)
            tasks.start_soon(self.bulk.run_wanted)


def _app() -> Starlette:
    async def echo(request: Request) -> Response:
        return Response(await request.body())

    async def health(_request: Request) -> Response:
        return PlainTextResponse('{"status":"ok"}')

    return Starlette(routes=[Route("/health", health), Route("/echo", echo, methods=["POST"])])


@asynccontextmanager
async def queen_end(*, key: str | None = None) -> AsyncGenerator[QueenEnd]:
    """A queen's links on a port of her own."""
    queen = QueenEnd(key=key)
    loop = asyncio.get_running_loop()
    doors = [await loop.create_server(queen.server.connection, sock=one) for one in queen.sockets]
    try:
        yield queen
    finally:
        await queen.lines.close()
        queen.links.close()
        for door in doors:
            door.close()


@asynccontextmanager
async def linked(folder: Path) -> AsyncGenerator[tuple[QueenEnd, HiveEnd, Cable]]:
    """A queen, a hive, and the cable that the hive's link goes through; the link is up."""
    async with queen_end() as queen:
        cable = Cable(queen.port)
        await cable.open()
        hive = HiveEnd(f"http://127.0.0.1:{cable.port}", folder)
        running = asyncio.get_running_loop().create_task(hive.run())
        try:
            await until(lambda: queen.links.linked("far") and hive.main.alive)
            yield queen, hive, cable
        finally:
            running.cancel()
            await asyncio.wait([running])
            await cable.close()
