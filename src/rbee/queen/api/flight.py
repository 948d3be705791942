"""One request of the quick lane between its sending and the last byte of its answer.

A flight has no coroutine: the worker's connection calls it when there is something to
decide. An answer in one piece goes out in one write, a stream is poured into the client's
wire. Whatever is otherwise (an error of the engine, a worker that dies, a first token that
takes long) goes on the ordinary way, with what there is by then (``Begun``): a slot, a
worker's connection, the text that the client was sent.
"""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final, NamedTuple

from rbee.errors import ClientGone, RbeeError, WorkerFailed
from rbee.foundation.http.wire import WireExchange
from rbee.queen.inference.admission import Grant
from rbee.queen.inference.answer import Leg
from rbee.queen.inference.assemble import STREAMING_PATHS
from rbee.queen.inference.call import Call
from rbee.queen.inference.continuation import Transcript
from rbee.queen.inference.framing import payload
from rbee.queen.inference.outcome import outcome
from rbee.queen.inference.plane import Plane
from rbee.queen.inference.sent import Sent
from rbee.queen.inference.upstream import Stale, Upstream

_OK: Final = 200


class Begun(NamedTuple):
    """What a call has when the ordinary way takes it over; ``since`` is its arrival.

    A slot; or a leg that has begun to answer, with what the client was sent of it; or, in
    ``refused``, nothing but an error that the client is to be told.
    """

    since: float
    taken: Grant | Leg | None = None
    said: Transcript | None = None
    refused: RbeeError | None = None

    def check(self) -> None:
        """Nothing, if there is something to go on with.

        Raises:
            RbeeError: ``refused``.
        """
        if self.refused is not None:
            raise self.refused


Ordinary = Callable[[WireExchange, Call, Begun], Awaitable[None]]
"""The ordinary way, from a call on."""


class Flight:
    """Made with a slot; ``send``, ``connect`` or ``assemble`` begins it."""

    __slots__ = (
        "_call",
        "_connecting",
        "_exchange",
        "_grant",
        "_ordinary",
        "_plane",
        "_pouring",
        "_sent",
        "_upstream",
        "since",
    )

    def __init__(
        self, plane: Plane, ordinary: Ordinary, exchange: WireExchange, call: Call, grant: Grant
    ) -> None:
        self.since = monotonic()
        self._plane = plane
        self._ordinary = ordinary
        self._exchange = exchange
        self._call = call
        self._grant = grant
        self._upstream: Upstream | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._pouring = False
        self._sent = Sent(keeps=call.path in STREAMING_PATHS)
        exchange.on_left = self.left
        plane.stops[call.job_id] = self.stop

    @property
    def waits(self) -> bool:
        """Whether its worker has not begun to answer yet."""
        upstream = self._upstream
        return upstream is not None and not upstream.begun

    def send(self, upstream: Upstream) -> None:
        """Ask the worker over this connection."""
        self._upstream = upstream
        call = self._call
        request = self._plane.pool.request(self._grant.worker, call.path, call.body)
        upstream.send(request, self.settled)
        upstream.wants_done = call.stream and call.path in STREAMING_PATHS

    def assemble(self) -> None:
        """Go the ordinary way at once: the answer has to be put together from a stream."""
        self._go_ordinary(Begun(self.since, self._grant))

    def connect(self) -> None:
        """Ask the worker over a new connection."""
        self._connecting = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        try:
            upstream = await self._plane.pool.fresh(self._grant.worker)
        except WorkerFailed:
            self._plane.lost(self._call, self._grant.worker)
            self._begin_anew()
        else:
            self.send(upstream)

    # ── from the worker's connection ──────────────────────────────────────────

    def settled(self) -> None:
        """There is something to decide: the answer is here, or has begun, or broke off."""
        upstream = self._upstream
        if upstream is None:
            return
        if upstream.failed:
            self._failed(upstream)
        elif self._pouring:
            self._poured(upstream)
        elif upstream.status != _OK or upstream.is_event_stream != self._call.stream:
            self.hand_over()
        elif self._call.stream and upstream.pourable:
            self._pour(upstream)
        elif upstream.ended and not self._call.stream:
            self._answer(upstream)
        else:
            self.hand_over()

    def hand_over(self) -> None:
        """The ordinary way takes over, with the worker's connection."""
        upstream = self._upstream
        if upstream is not None:
            upstream.hand_over()
            self._go_ordinary(Begun(self.since, Leg(self._grant, upstream), self._sent.said))

    def left(self) -> None:
        """The client left: so does its request."""
        upstream = self._upstream
        if upstream is not None:
            upstream.abort()
            self._end(upstream, ClientGone.status)
            return
        if self._connecting is not None:
            self._connecting.cancel()
        self._grant.release(served=False)
        self._told(ClientGone.status, None)

    def stop(self, error: RbeeError) -> None:
        """Somebody else ends it: the ordinary way tells the client."""
        plane, call, upstream = self._plane, self._call, self._upstream
        if upstream is not None:
            upstream.abort()
            plane.over(call, Leg(self._grant, upstream))
        else:
            if self._connecting is not None:
                self._connecting.cancel()
            self._grant.release(served=False)
        plane.ledger.ended(call.job_id, outcome(None, error))
        self._go_ordinary(Begun(self.since, refused=error))

    # ── the answer ────────────────────────────────────────────────────────────

    def _answer(self, upstream: Upstream) -> None:
        """An answer in one piece."""
        exchange, body = self._exchange, upstream.taken()
        exchange.answer(upstream.status, upstream.headers, self._about(), body)
        self._sent.whole(body)
        self._end(upstream, upstream.status)
        exchange.done()

    def _pour(self, upstream: Upstream) -> None:
        """A stream whose first event is here: from now on it flows by itself."""
        exchange = self._exchange
        exchange.start(upstream.status, upstream.headers, length=None, more=self._about())
        self._pouring = True
        upstream.start_pour(exchange, self._fold, self.settled)
        if upstream.ended:
            self._poured(upstream)

    def _poured(self, upstream: Upstream) -> None:
        """The stream's end is on the client's wire."""
        self._sent.end(b"".join(upstream.poured))
        self._end(upstream, upstream.status)
        self._exchange.done()

    def _fold(self) -> None:
        """Keep what was poured, in case that its worker dies."""
        upstream = self._upstream
        if upstream is not None:
            self._sent.note(payload(b"".join(upstream.poured)))
            upstream.poured.clear()

    def _about(self) -> bytes:
        worker, job_id = self._grant.worker, self._call.job_id.encode()
        return (
            b"x-rbee-worker: %b\r\nx-rbee-hive: %b\r\nx-rbee-queue-ms: 0\r\n"
            b"x-request-id: %b\r\nx-rbee-job: %b\r\nx-accel-buffering: no\r\n"
            % (worker.worker_id.encode(), worker.hive_id.encode(), job_id, job_id)
        )

    # ── other ways out ────────────────────────────────────────────────────────

    def _failed(self, upstream: Upstream) -> None:
        if self._pouring:  # another worker goes on where this one stopped
            self._fold()
            self.hand_over()
            return
        if not isinstance(upstream.error, Stale):
            self._plane.lost(self._call, self._grant.worker)
        self._plane.pool.give_back(upstream, self._grant.worker)
        self._begin_anew()

    def _begin_anew(self) -> None:
        """Nobody has seen anything: another worker is asked."""
        self._grant.release(served=False)
        self._go_ordinary(Begun(self.since))

    def _go_ordinary(self, begun: Begun) -> None:
        ordinary, call, exchange = self._ordinary, self._call, self._exchange
        self._upstream = None
        self._plane.stops.pop(call.job_id, None)  # whoever goes on has a way of its own
        exchange.on_left = lambda: self._left_between(begun)
        exchange.run(lambda one: ordinary(one, call, begun))

    def _left_between(self, begun: Begun) -> None:
        """The client left before the ordinary way's first step: nobody else gives this back."""
        self._exchange.on_left = None
        if isinstance(begun.taken, Leg):
            begun.taken.upstream.abort()
            self._plane.over(self._call, begun.taken)
        elif begun.taken is not None:
            begun.taken.release(served=False)
        self._told(ClientGone.status, None)

    # ── the books ─────────────────────────────────────────────────────────────

    def _end(self, upstream: Upstream, status: int) -> None:
        """Slot and connection go back; the request is counted."""
        self._upstream = self._exchange.on_left = None  # no cycle is left for the collector
        self._plane.over(self._call, Leg(self._grant, upstream))
        self._told(status, upstream.first_byte_s)

    def _told(self, status: int, first_s: float | None) -> None:
        plane, call, model = self._plane, self._call, self._grant.worker.model
        plane.stops.pop(call.job_id, None)
        plane.ledger.ended(
            call.job_id, "completed" if status == _OK else "stopped: the client left"
        )
        plane.tally.answered(
            model,
            call.path,
            status,
            first_s=first_s,
            whole_s=monotonic() - self.since,
            events=self._sent.events,
        )
        usage = self._sent.usage
        if usage is not None:
            plane.tally.tokens(model, call.path, usage.prompt, usage.completion)
