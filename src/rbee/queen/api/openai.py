"""The OpenAI door: ``/v1``, ``/openai/v1`` and ``/openai``, the same handlers.

A bare ASGI app in front of Starlette, because this is the hot path: peek at the
body, dispatch, forward. The request goes down to ``inference.dispatch`` and
comes back as bytes. The connection is the job: a client that leaves cancels it,
streaming or not; nothing is stored.
"""

import asyncio
import re
import secrets
from collections.abc import Mapping
from urllib.parse import unquote

import msgspec
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from rbee.contracts.decode import decode_json
from rbee.contracts.openai import ModelObject, ModelObjects, RequestPeek
from rbee.errors import (
    DeadlineExceeded,
    InvalidRequest,
    MethodNotAllowed,
    ModelNotFound,
    RbeeError,
)
from rbee.foundation import logs, sse
from rbee.foundation.faults import unforeseen
from rbee.foundation.http.body import receive_body
from rbee.foundation.http.problems import as_openai, problem_headers
from rbee.queen.inference.admission import Waiting
from rbee.queen.inference.dispatch import Answer, Call, Dispatcher
from rbee.queen.registry.colony import Colony

PREFIXES = ("/openai/v1/", "/openai/", "/v1/")
INFERENCE = frozenset({"chat/completions", "completions", "embeddings"})

EARLY_HEAD_S = 3.0  # wire.md: a streaming client that has waited this long gets its 200 early
DEADLINE_S_MAX = 86_400.0  # a day: nobody waits longer for one answer

_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")  # printable and short: it is echoed and logged

_log = logs.get(__name__)


def endpoint_of(path: str) -> str | None:
    """``chat/completions`` for any of the three prefixes; None for other paths."""
    for prefix in PREFIXES:
        if path.startswith(prefix):
            return path[len(prefix) :].rstrip("/")
    return None


class OpenAIDoor:
    """Handles inference and ``models``; ``handles`` says which paths are its own."""

    def __init__(
        self, dispatcher: Dispatcher, colony: Colony, *, early_head_s: float = EARLY_HEAD_S
    ) -> None:
        self._dispatcher = dispatcher
        self._colony = colony
        self._early_head_s = early_head_s

    def handles(self, path: str) -> bool:
        """Whether a path belongs to this door."""
        endpoint = endpoint_of(path)
        return endpoint is not None and (
            endpoint in INFERENCE or endpoint == "models" or endpoint.startswith("models/")
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; every error leaves in OpenAI's shape."""
        exchange = _Exchange(scope, receive, send, self._early_head_s)
        try:
            await self._answer(exchange)
        except ClientDisconnect:
            if not exchange.complete:
                _log.info("client gone", job=exchange.job_id, status=499)
        except RbeeError as error:
            await exchange.fail(error)
        except Exception as error:  # noqa: BLE001  the door is a process boundary: it must answer
            await exchange.fail(unforeseen(error, where=exchange.path))

    async def _answer(self, exchange: "_Exchange") -> None:
        endpoint = endpoint_of(exchange.path) or ""
        if endpoint in INFERENCE:
            if exchange.method != "POST":
                raise MethodNotAllowed(f"{exchange.method} is not allowed on {exchange.path}.")
            await self._infer(exchange, endpoint)
            return
        if exchange.method != "GET":
            raise MethodNotAllowed(f"{exchange.method} is not allowed on {exchange.path}.")
        _, _, model_id = endpoint.partition("/")
        await exchange.send_json(self._model(unquote(model_id)) if model_id else self._models())

    def _models(self) -> ModelObjects:
        return ModelObjects(data=self._colony.model_objects())

    def _model(self, name: str) -> ModelObject:
        model_id = self._colony.resolve(name)
        for row in self._colony.model_objects():
            if row.id == model_id:
                return row
        raise ModelNotFound(f"No hive has the model {name!r}.", param="model")

    async def _infer(self, exchange: "_Exchange", endpoint: str) -> None:
        body = await receive_body(exchange.receive, exchange.header(b"content-length"))
        peek = decode_json(body, RequestPeek)
        if not peek.model.strip():
            raise InvalidRequest("`model` is empty at `$.model`.", param="$.model")
        call = Call(
            job_id=exchange.job_id,
            model=peek.model,
            path=f"/v1/{endpoint}",
            body=body,
            stream=bool(peek.stream),
            hive_id=exchange.header(b"x-hive-preference"),
        )
        async with (
            exchange.while_connected(exchange.deadline_s()),
            self._dispatcher.answer(call, exchange.on_wait(call)) as answer,
        ):
            if call.stream and answer.ok:
                await exchange.relay_stream(answer)
            else:
                await exchange.relay_whole(answer)


class _Exchange:
    """One request and its answer on the wire."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, early_head_s: float) -> None:
        self.path: str = scope["path"]
        self.method: str = scope["method"]
        self.receive = receive
        self.job_id = f"job-{secrets.token_hex(8)}"
        self._send = send
        self._early_head_s = early_head_s
        self._headers: Mapping[bytes, bytes] = dict(scope["headers"])
        self._head_sent = False
        self._early = False
        self.complete = False
        given = self.header(b"x-request-id") or ""
        self._request_id = given if _REQUEST_ID.fullmatch(given) else self.job_id

    def header(self, name: bytes) -> str | None:
        """A request header's value, or None."""
        value = self._headers.get(name)
        return None if value is None else value.decode("latin-1").strip() or None

    def deadline_s(self) -> float | None:
        """``X-Deadline-S`` in seconds.

        Raises:
            InvalidRequest: not a number in range.
        """
        text = self.header(b"x-deadline-s")
        if text is None:
            return None
        try:
            seconds = float(text)
        except ValueError:
            seconds = 0.0
        if not 0 < seconds <= DEADLINE_S_MAX:
            raise InvalidRequest(
                f"X-Deadline-S is {text!r}, not a number of seconds up to {DEADLINE_S_MAX:.0f}.",
                param="X-Deadline-S",
            )
        return seconds

    def while_connected(self, deadline_s: float | None) -> "_WhileConnected":
        """Run a block for as long as the client is there and its deadline has not passed."""
        return _WhileConnected(self.receive, deadline_s)

    def on_wait(self, call: Call) -> "_Telling | None":
        """What a waiting client is told; clients that do not stream only wait."""
        return _Telling(self) if call.stream else None

    async def tell(self, waiting: Waiting) -> None:
        """After a while: 200 and comments, so that people and proxies see life."""
        if waiting.waited_s < self._early_head_s:
            return
        if not self._head_sent:
            self._early = True
            await self._send_head(200, [(b"content-type", b"text/event-stream")])
        eta = "unknown" if waiting.eta_s is None else f"{waiting.eta_s:.0f}"
        text = f"waiting position={waiting.position} eta_s={eta} reason={waiting.reason}"
        await self._send_body(sse.comment(text), more=True)

    async def relay_stream(self, answer: Answer) -> None:
        """Forward a stream as it comes. The worker's death in mid-stream is said in the stream."""
        if not self._head_sent:
            await self._send_head(answer.status, [*_kept(answer), *self._about(answer)])
        try:
            async for events in answer.events():
                await self._send_body(events, more=True)
        except RbeeError as error:
            await self.fail(error)
            return
        await self._send_body(b"", more=False)

    async def relay_whole(self, answer: Answer) -> None:
        """Answer in one piece: a unary answer, or a refusal."""
        if not answer.ok:
            raise await answer.problem()
        body = await answer.read()
        headers = [
            (b"content-type", answer.content_type),
            (b"content-length", str(len(body)).encode()),
        ]
        await self._send_head(answer.status, [*headers, *self._about(answer)])
        await self._send_body(body, more=False)

    async def send_json(self, value: msgspec.Struct) -> None:
        """Answer with a struct."""
        body = msgspec.json.encode(value)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
        await self._send_head(200, headers)
        await self._send_body(body, more=False)

    async def fail(self, error: RbeeError) -> None:
        """An error as the answer, or in the stream when the head is out already."""
        body = as_openai(error)
        if self._head_sent:
            await self._send_body(sse.frame(body), more=False)
            return
        headers = [*problem_headers(error), (b"content-length", str(len(body)).encode())]
        await self._send_head(error.status, headers)
        await self._send_body(body, more=False)

    def _about(self, answer: Answer) -> list[tuple[bytes, bytes]]:
        return [
            (b"x-rbee-worker", answer.worker.worker_id.encode()),
            (b"x-rbee-hive", answer.worker.hive_id.encode()),
            (b"x-rbee-queue-ms", str(answer.queue_ms).encode()),
        ]

    async def _send_head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self._head_sent = True
        ours = [
            (b"x-request-id", self._request_id.encode("latin-1")),
            (b"x-rbee-job", self.job_id.encode()),
            (b"x-accel-buffering", b"no"),
        ]
        await self._send(
            {"type": "http.response.start", "status": status, "headers": [*headers, *ours]}
        )

    async def _send_body(self, body: bytes, *, more: bool) -> None:
        self.complete = not more
        await self._send({"type": "http.response.body", "body": body, "more_body": more})


class _Telling:
    """``OnWait`` of a streaming exchange."""

    __slots__ = ("_exchange",)

    def __init__(self, exchange: _Exchange) -> None:
        self._exchange = exchange

    async def __call__(self, waiting: Waiting) -> None:
        await self._exchange.tell(waiting)


class _WhileConnected:
    """Cancels its block when the client leaves or the deadline passes.

    Raises, at the end of the block: ClientDisconnect, DeadlineExceeded.
    """

    def __init__(self, receive: Receive, deadline_s: float | None) -> None:
        self._receive = receive
        self._deadline_s = deadline_s
        self._left = False
        self._task: asyncio.Task[None] | None = None
        self._watch: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._expired = False

    async def __aenter__(self) -> None:
        loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._watch = loop.create_task(self._wait_disconnect())
        if self._deadline_s is not None:
            self._timer = loop.call_later(self._deadline_s, self._expire)

    async def __aexit__(self, kind: type[BaseException] | None, *_rest: object) -> bool:
        if self._timer is not None:
            self._timer.cancel()
        if self._watch is not None:
            self._watch.cancel()
        if kind is not asyncio.CancelledError or not (self._left or self._expired):
            return False
        if self._task is not None:
            self._task.uncancel()
        if self._left:
            raise ClientDisconnect
        raise DeadlineExceeded(f"The deadline of {self._deadline_s:g} s has passed.")

    async def _wait_disconnect(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if not self._expired and self._task is not None:
            self._left = True
            self._task.cancel()

    def _expire(self) -> None:
        if not self._left and self._task is not None:
            self._expired = True
            self._task.cancel()


def _kept(answer: Answer) -> list[tuple[bytes, bytes]]:
    """The worker's headers that a streaming client should see."""
    return [(name, value) for name, value in answer.headers if name != b"content-length"]
