"""The shortest way: a plain request that finds a free slot, relayed without a task.

Most of the time of a small request is not the relay's but the event loop's: a task, its
futures, its wake-ups. So where everything is at hand (nothing unusual in the head, a
free slot, a worker whose own bytes the client shall get), the request is sent in the
very call that received it, and the answer goes out, or begins to flow, in the call that
received that (``flight``). Whatever is otherwise goes the ordinary way, ``OpenAIDoor``;
also what turns out otherwise later.
"""

import asyncio
from typing import Final

import msgspec

from rbee.contracts.openai import RequestPeek
from rbee.contracts.principals import Principal
from rbee.errors import RbeeError
from rbee.foundation.http.gate import Policy, admit
from rbee.foundation.http.wire import PlainHead, WireExchange
from rbee.queen.api.dialects import ENDPOINTS, Endpoint
from rbee.queen.api.flight import Flight, Ordinary
from rbee.queen.inference.answering import TELL_AFTER_S
from rbee.queen.inference.call import Call, JobIds
from rbee.queen.inference.media import may_name
from rbee.queen.inference.plane import Plane

LOOK_EVERY_S: Final = 1.0  # one timer for all that wait for a first token: each its own costs more

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
        self._waiting: dict[Flight, None] = {}  # streams whose worker may not have begun, by age
        self._timer: asyncio.TimerHandle | None = None
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
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return False  # the ordinary way says what is wrong, and where
        if not peek.model or _REWRITTEN in body or may_name(body):
            return False
        endpoint = meaning.endpoint
        call = Call(
            job_id=self.ids.take(),
            model=peek.model,
            path=endpoint.path,
            task=endpoint.task,
            body=body,
            stream=bool(peek.stream),
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
        flight = Flight(self.plane, self.ordinary, exchange, call, grant)
        if not (call.stream or worker.unary_cancel):
            flight.assemble()
            return True
        upstream = pool.idle(worker)
        if upstream is not None:
            flight.send(upstream)
        else:
            flight.connect()
        if call.stream:
            self._waiting[flight] = None
            if self._timer is None:
                self._look_later()
        return True

    def _look_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(LOOK_EVERY_S, self._look)

    def _look(self) -> None:
        """Hand over who has waited long: the ordinary way tells clients what they wait for."""
        self._timer = None
        now = asyncio.get_running_loop().time()
        for flight in list(self._waiting):
            if now - flight.since < TELL_AFTER_S and flight.waits:
                continue
            del self._waiting[flight]
            if flight.waits:
                flight.hand_over()
        if self._waiting:
            self._look_later()

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
