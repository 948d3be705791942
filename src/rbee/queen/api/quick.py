"""The shortest way: a plain unary request whose answer is one small piece, without a task.

Most of the time of such a request is not the relay's but the event loop's: a task, its
futures, its wake-ups. So where everything is at hand (nothing unusual in the head, a
free slot, an idle connection to a worker whose own bytes the client shall get), the
request is sent in the very call that received it, and the answer goes out in the call
that received that. Whatever is otherwise goes the ordinary way, ``OpenAIDoor``; also
what turns out otherwise later, as long as the client has seen nothing.
"""

from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final

import msgspec

from rbee.contracts.openai import RequestPeek
from rbee.contracts.principals import Principal
from rbee.errors import ClientGone, RbeeError
from rbee.foundation.http.gate import Policy, admit
from rbee.foundation.http.wire import PlainHead, WireExchange
from rbee.queen.api.dialects import ENDPOINTS, Endpoint
from rbee.queen.inference.admission import Grant
from rbee.queen.inference.answer import Leg
from rbee.queen.inference.call import Call, JobIds
from rbee.queen.inference.plane import Plane
from rbee.queen.inference.upstream import Stale, Upstream
from rbee.queen.inference.usage import usage_in

_OK: Final = 200
_OF_THE_API: Final = (
    b"x-hive-preference",
    b"x-session-id",
    b"x-labels",
    b"x-priority",
    b"x-deadline-s",
    b"x-request-id",
    b"cookie",  # a session ends by itself: it is looked at each time
)
_REWRITTEN: Final = b'"tool_choice"'

_PEEK: Final = msgspec.json.Decoder(RequestPeek)

Ordinary = Callable[[WireExchange, Call, Grant | Leg | None], Awaitable[None]]
"""The ordinary way, from a call on; with the slot that it has, or a leg that has begun."""


class _Meaning(msgspec.Struct, frozen=True):
    """What a head means to this door while the keys are the same; no principal: unusual."""

    seal: object
    principal: Principal | None
    endpoint: Endpoint


class QuickLane:
    """Takes what is plain, ``False`` for the rest. See the module."""

    def __init__(
        self,
        plane: Plane,
        policy: Policy,
        ids: JobIds,
        ordinary: Ordinary,
    ) -> None:
        self.plane = plane
        self.ids = ids
        self.ordinary = ordinary
        self._policy = policy
        self._keyring = policy.keyring

    def __call__(self, exchange: WireExchange) -> bool:
        """Take a request, or leave it untouched."""
        head = exchange.head
        meaning = head.meaning
        if not isinstance(meaning, _Meaning) or meaning.seal is not self._keyring.seal:
            meaning = head.meaning = self._read(head)
        if meaning.principal is None:
            return False
        body = exchange.whole_body
        try:
            peek = _PEEK.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return False  # the ordinary way says what is wrong, and where
        if peek.stream or not peek.model or _REWRITTEN in body:
            return False
        endpoint = meaning.endpoint
        call = Call(
            job_id=self.ids.take(),
            model=peek.model,
            path=endpoint.path,
            task=endpoint.task,
            body=body,
            stream=False,
            principal=meaning.principal,
            priority=meaning.principal.priority,
        )
        return self._send(exchange, call)

    def _send(self, exchange: WireExchange, call: Call) -> bool:
        admission, pool = self.plane.admission, self.plane.pool
        try:
            grant = admission.try_admit(call)
        except RbeeError:
            return False
        if grant is None:
            return False
        worker = grant.worker
        self.plane.granted(call, grant, 1)
        upstream = pool.idle(worker) if worker.unary_cancel else None
        if upstream is None:
            exchange.run(lambda one: self.ordinary(one, call, grant))
            return True
        flight = _Flight(self, exchange, call, grant, upstream)
        exchange.on_left = flight.left
        upstream.send(pool.request(worker, call.path, call.body), flight.settled)
        return True

    def _read(self, head: PlainHead) -> _Meaning:
        """What a head means: found once for all requests that have it."""
        headers = head.headers
        try:
            principal: Principal | None = admit(self._policy, head.path, headers)
        except RbeeError:
            principal = None  # the ordinary way words the refusal
        if principal is not None and (
            principal.limited or principal.models or any(name in headers for name in _OF_THE_API)
        ):
            principal = None
        return _Meaning(self._keyring.seal, principal, ENDPOINTS[head.path])


class _Flight:
    """One request between its sending and its answer."""

    __slots__ = ("_call", "_exchange", "_grant", "_lane", "_sent", "_upstream")

    def __init__(
        self,
        lane: QuickLane,
        exchange: WireExchange,
        call: Call,
        grant: Grant,
        upstream: Upstream,
    ) -> None:
        self._lane = lane
        self._exchange = exchange
        self._call = call
        self._grant = grant
        self._upstream = upstream
        self._sent = monotonic()

    def settled(self) -> None:
        """The answer is here, or will not come, or is not a small one."""
        upstream, exchange = self._upstream, self._exchange
        if upstream.failed:
            self._failed()
        elif upstream.ended and upstream.status == _OK and not upstream.is_event_stream:
            self._answer(upstream, exchange)
        else:
            call, leg = self._call, Leg(self._grant, upstream)
            exchange.run(lambda one: self._lane.ordinary(one, call, leg))

    def left(self) -> None:
        """The client left: so does its request."""
        self._upstream.abort()
        self._end(ClientGone.status)

    def _answer(self, upstream: Upstream, exchange: WireExchange) -> None:
        body = upstream.taken()
        worker = self._grant.worker
        job_id = self._call.job_id.encode()
        exchange.answer(
            upstream.status,
            upstream.headers,
            b"x-rbee-worker: %b\r\nx-rbee-hive: %b\r\nx-rbee-queue-ms: 0\r\n"
            b"x-request-id: %b\r\nx-rbee-job: %b\r\nx-accel-buffering: no\r\n"
            % (worker.worker_id.encode(), worker.hive_id.encode(), job_id, job_id),
            body,
        )
        self._end(upstream.status, body)
        exchange.done()

    def _failed(self) -> None:
        """Nobody has seen anything: the ordinary way begins anew."""
        exchange, call = self._exchange, self._call
        plane, grant = self._lane.plane, self._grant
        if not isinstance(self._upstream.error, Stale):
            plane.lost(call, grant.worker)
        plane.pool.give_back(self._upstream, grant.worker)
        grant.release(served=False)
        exchange.run(lambda one: self._lane.ordinary(one, call, None))

    def _end(self, status: int, body: bytes = b"") -> None:
        """Slot and connection go back; the request is counted."""
        plane, call, upstream = self._lane.plane, self._call, self._upstream
        model = self._grant.worker.model
        plane.over(call, Leg(self._grant, upstream))
        plane.ledger.ended(call.job_id, "completed" if body else "stopped: the client left")
        plane.tally.answered(
            model,
            call.path,
            status,
            first_s=upstream.first_byte_s,
            whole_s=monotonic() - self._sent,
        )
        usage = usage_in(body)
        if usage is not None:
            plane.tally.tokens(model, call.path, usage.prompt, usage.completion)
