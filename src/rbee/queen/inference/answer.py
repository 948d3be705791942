"""An answer on its way to a client: one leg, or several where a worker died.

The first leg is the worker's own stream, poured or read as it comes; what went on
to the client is kept for a while (``Transcript``), so that another worker can go
on where the first one stopped. From then on the stream is stitched: parsed, and
put together by ``continuation``.
"""

from collections.abc import AsyncIterator
from typing import Final, NamedTuple, Protocol

from rbee.errors import RbeeError, WorkerFailed
from rbee.foundation import sse
from rbee.foundation.http.exchange import Wire
from rbee.queen.inference.admission import Grant
from rbee.queen.inference.assemble_named import assembler_for
from rbee.queen.inference.continuation import Stitcher, Transcript
from rbee.queen.inference.events import EventCutter
from rbee.queen.inference.framing import payload
from rbee.queen.inference.refusals import refusal
from rbee.queen.inference.sent import Sent
from rbee.queen.inference.upstream import Upstream
from rbee.queen.inference.usage import Usage
from rbee.queen.registry.workers import RoutableWorker

_OK: Final = 200


class Leg(NamedTuple):
    """One worker's part of an answer; ``stitcher`` joins it to what was said before."""

    grant: Grant
    upstream: Upstream
    stitcher: Stitcher | None = None


class Ending(NamedTuple):
    """The last events of an answer for which no worker is needed any more."""

    events: bytes


class Legs(Protocol):
    """Where the next leg comes from."""

    async def following(self, said: Transcript, error: RbeeError) -> Leg | Ending:
        """The leg after one that broke by ``error``; raises why there is none."""
        ...

    def over(self, leg: Leg) -> None:
        """Nothing more is wanted of this leg."""
        ...


class Answer:
    """An answer whose first byte is here. Leaving ``Dispatcher.answer`` ends it.

    ``legs`` is null where an answer cannot go on elsewhere.
    """

    __slots__ = (
        "_assembled",
        "_begun",
        "_leg",
        "_legs",
        "_news",
        "_path",
        "_sent",
        "continued",
        "first_at",
        "headers",
        "queue_s",
        "status",
        "why",
        "worker",
    )

    def __init__(
        self,
        leg: Leg | Ending,
        *,
        path: str,
        assembled: bool = False,
        legs: Legs | None = None,
        said: Transcript | None = None,
        queue_s: float = 0.0,
        first_at: float = 0.0,
    ) -> None:
        self._leg = leg
        self._legs = legs
        self._path = path
        self._assembled = assembled
        self._sent = Sent(keeps=legs is not None, said=said)
        self._begun = 0
        self._news = b""  # a comment that the client is owed
        self.queue_s = queue_s
        self.first_at = first_at  # seconds of the loop's clock
        self.continued = 0
        self.worker: RoutableWorker | None = None
        self.why = "nothing was left to be said"
        self.status = _OK
        self.headers: list[tuple[bytes, bytes]] = []
        if isinstance(leg, Leg):
            self._take(leg)
            self.status = leg.upstream.status
            self.headers = leg.upstream.headers

    # ── what it is ────────────────────────────────────────────────────────────

    @property
    def leg(self) -> Leg | Ending:
        """The current leg."""
        return self._leg

    @property
    def queue_ms(self) -> int:
        """How long the request waited for a worker."""
        return int(self.queue_s * 1000)

    @property
    def ok(self) -> bool:
        """Whether the worker took the request."""
        return self.status == _OK

    @property
    def is_event_stream(self) -> bool:
        """Whether events come, whatever the client wanted."""
        return isinstance(self._leg, Ending) or self._leg.upstream.is_event_stream

    @property
    def length(self) -> int | None:
        """The body's length, where the worker announced one."""
        return self._leg.upstream.length if isinstance(self._leg, Leg) else None

    @property
    def pourable(self) -> bool:
        """Whether ``pour`` can be used: the worker's own bytes are what the client gets."""
        return (
            not self._assembled
            and isinstance(self._leg, Leg)
            and self._leg.stitcher is None
            and self._leg.upstream.pourable
        )

    @property
    def content_type(self) -> bytes:
        """The media type that the client sees."""
        if self._assembled and self.ok:
            return b"application/json"
        return next((v for k, v in self.headers if k == b"content-type"), b"application/json")

    @property
    def bytes_read(self) -> int:
        """The size of an answer that was read in one piece."""
        return self._sent.last_bytes

    @property
    def events_sent(self) -> int:
        """How many events the client got, over all legs."""
        return self._sent.events

    @property
    def usage(self) -> Usage | None:
        """The usage that the answer's last bytes told, once it has ended."""
        return self._sent.usage

    # ── the body ──────────────────────────────────────────────────────────────

    async def pour(self, wire: Wire) -> None:
        """Let the body through to a client's wire, over all legs, and end it.

        Raises:
            WorkerFailed: the worker died or fell silent in mid-answer, and no other
                one could go on.
        """
        assert isinstance(self._leg, Leg)  # noqa: S101  ``pourable`` was asked
        upstream = self._leg.upstream
        try:
            await upstream.pour(wire, self._fold)
        except WorkerFailed as error:
            self._fold()
            await self._go_on(error)
            async for events in self.events():
                await wire.send(events)
            await wire.finish()
        else:
            self._sent.end(b"".join(upstream.poured))

    async def events(self) -> AsyncIterator[bytes]:
        """The body as it comes, cut into whole events where it is an event stream.

        Raises:
            WorkerFailed: as ``pour``.
        """
        while True:
            try:
                if self._news:
                    news, self._news = self._news, b""
                    yield news
                async for data in _blocks(self._leg):
                    self._note(data)
                    yield data
                return  # noqa: TRY300  the loop's other way out is an error
            except WorkerFailed as error:
                await self._go_on(error)

    async def read(self) -> bytes:
        """The whole body as a client that does not stream expects it.

        Raises:
            WorkerFailed: the worker died, or reported an error in its stream.
        """
        if self._assembled and self.ok:
            assembler, begun = assembler_for(self._path), self._begun
            async for events in self.events():
                if begun != self._begun:
                    assembler, begun = assembler_for(self._path), self._begun
                assembler.feed(events)
            return assembler.answer()
        assert isinstance(self._leg, Leg)  # noqa: S101  only streams end without a worker
        body = await self._leg.upstream.read_all()
        self._sent.whole(body)
        return body

    async def problem(self) -> RbeeError:
        """The worker's refusal as one of our errors (``ok`` is false)."""
        return refusal(self.status, await self.read())

    # ── legs ──────────────────────────────────────────────────────────────────

    def _take(self, leg: Leg) -> None:
        self._leg = leg
        self.worker = leg.grant.worker
        self.why = leg.grant.why

    async def _go_on(self, error: WorkerFailed) -> None:
        """Take the next leg, or raise ``error`` where there is none."""
        if self._legs is None or not isinstance(self._leg, Leg):
            raise error
        self._legs.over(self._leg)
        if self._sent.said is None:
            self._sent.said = Transcript()
        try:
            following = await self._legs.following(self._sent.said, error)
        except BaseException:
            self._leg = Ending(b"")  # the dead one's slot was given back already
            raise
        self.continued += 1
        if isinstance(following, Leg):
            self._take(following)
            if not self._assembled:
                self._news = _news(following, error)
            if following.stitcher is None:  # not sewn to what was said: it begins anew
                self._begun += 1
                self._sent.said = None
        else:
            self._leg = following

    def _fold(self) -> None:
        """Unpack what was poured into the transcript."""
        assert isinstance(self._leg, Leg)  # noqa: S101  only legs pour
        if self.is_event_stream:
            self._note(payload(b"".join(self._leg.upstream.poured)))
        self._leg.upstream.poured.clear()

    def _note(self, data: bytes) -> None:
        """Remember what the client was sent, as far as going on may need it."""
        if self.is_event_stream:
            self._sent.note(data)
        else:
            self._sent.whole(data)


def _news(leg: Leg, error: WorkerFailed) -> bytes:
    """What a streaming client is told of a change of worker: clients skip it, the console shows it."""
    worker = leg.grant.worker
    return sse.comment(
        f"continued worker={worker.worker_id} hive={worker.hive_id} reason={error.message}"
    )


async def _blocks(leg: Leg | Ending) -> AsyncIterator[bytes]:
    """A leg's payload as it comes, cut into whole events where it is an event stream."""
    if isinstance(leg, Ending):
        if leg.events:
            yield leg.events
        return
    upstream, stitcher = leg.upstream, leg.stitcher
    if not upstream.is_event_stream:
        while data := await upstream.read():
            yield data
        return
    cutter = EventCutter()
    while chunk := await upstream.read():
        whole = cutter.feed(chunk)
        if whole and stitcher is not None:
            whole = stitcher.feed(whole)
        if whole:
            yield whole
        if stitcher is not None and stitcher.done:
            return
    if rest := cutter.rest():
        yield rest if stitcher is None else stitcher.feed(rest)
