"""A port of ours in front of somebody else's server: our key, our slots, their answers.

To the hive and the queen it is a worker like any other: llama.cpp's health,
models, props, slots and metrics are answered here, from what is counted here.
Requests for tokens go on to ``engines/upstream`` with the model's name as it is
known there, and what comes back is passed on byte for byte as it arrives. A
caller who leaves ends the request there too, streamed or not.
"""

import asyncio
import hmac
import re
import socket
from typing import TYPE_CHECKING, Final

import httpx2
import msgspec

from rbee.worker.api import answers
from rbee.worker.api.answers import Refusal
from rbee.worker.api.exchange import ClientGone, Exchange
from rbee.worker.api.listener import serve_on
from rbee.worker.engines.upstream import Upstream
from rbee.worker.preflight import listen
from rbee.worker.settings import WorkerSettings, read_key
from rbee.worker.slots import Slot, Slots

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

PASSED_ON: Final = frozenset(
    {
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/embeddings",
        "/v1/rerank",
        "/v1/responses",
    }
)
"""Everything else of the server behind stays out of reach."""

_OPEN: Final = frozenset({"/health", "/v1/health"})
_METRICS_TYPE: Final = "text/plain; version=0.0.4"  # Prometheus' text format
_EVENT: Final = re.compile(rb"(?:^|\n)data: ?\{")
_USED: Final = re.compile(rb'"completion_tokens"\s*:\s*(\d+)')


def serve(settings: WorkerSettings) -> None:
    """Serve until a signal ends the process, or the command behind ends.

    Raises:
        InvalidRequest: a key file or an address is wrong.
        PortTaken: somebody else listens on the port.
        RbeeError: as ``Upstream.become_ready``.
    """
    relay = Relay(settings, read_key(settings.key_file))
    listener = listen(settings.host, settings.port)
    asyncio.run(_serve(listener, relay))


async def _serve(listener: socket.socket, relay: "Relay") -> None:
    """Serve, and get ready meanwhile; the first error of the two ends both."""
    serving = asyncio.ensure_future(serve_on(listener, relay))
    try:
        await relay.become_ready()
        await serving
    finally:
        serving.cancel()


class Relay:
    """The ASGI application in front of one upstream."""

    def __init__(self, settings: WorkerSettings, key: str) -> None:
        self._alias = settings.alias
        self._context_tokens = settings.context_tokens
        self._upstream = Upstream(settings)
        self._slots = Slots(settings.slots)
        self._authorization = f"Bearer {key}".encode()
        self._ready = False

    async def become_ready(self) -> None:
        """Until then all is answered 503.

        Raises:
            RbeeError: as ``Upstream.become_ready``.
        """
        await self._upstream.become_ready()
        self._ready = True

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer one HTTP request."""
        exchange = Exchange(scope, receive, send)
        try:
            self._admit(scope)
            body = await exchange.read_body()
            await exchange.unless_gone(self._handle(scope, exchange, body))
        except Refusal as refusal:
            await exchange.json(refusal.status, refusal.body)
        except ClientGone:
            return

    def _admit(self, scope: "Scope") -> None:
        """Key first, then readiness.

        Raises:
            Refusal: 401 or 503, as llama.cpp's server has them.
        """
        if scope["path"] not in _OPEN:
            sent = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(sent, self._authorization):
                raise Refusal(401, "Invalid API Key", "authentication_error")
        if not self._ready:
            raise Refusal(503, "Loading model", "unavailable_error")

    async def _handle(self, scope: "Scope", exchange: Exchange, body: bytes) -> None:
        match scope["method"], scope["path"]:
            case "GET", "/health" | "/v1/health":
                await exchange.json(200, {"status": "ok"})
            case "GET", "/v1/models":
                await exchange.json(200, answers.models(self._alias, self._context_tokens))
            case "GET", "/props":
                total = len(self._slots.rows)
                await exchange.json(200, answers.props(self._alias, self._context_tokens, total))
            case "GET", "/slots":
                await exchange.json(200, self._slots.listing(self._context_tokens))
            case "GET", "/metrics":
                await exchange.answer(200, self._slots.metrics().encode(), _METRICS_TYPE)
            case "POST", path if path in PASSED_ON:
                async with self._slots.take(prompt_tokens=0, limit=-1) as slot:
                    await self._pass_on(path, body, exchange, slot)
            case _:
                raise Refusal(404, "File Not Found", "not_found_error")

    async def _pass_on(self, path: str, body: bytes, exchange: Exchange, slot: Slot) -> None:
        """Ask the server behind. What breaks off there breaks off here: never a false end."""
        started = False
        try:
            async with self._upstream.client.stream(
                "POST",
                path,
                content=_renamed(body, self._upstream.model),
                headers={"content-type": "application/json", "accept-encoding": "identity"},
            ) as answer:
                kind = answer.headers.get("content-type", "application/json")
                await exchange.start_stream(answer.status_code, kind)
                started = True
                async for chunk in answer.aiter_raw():
                    self._count(chunk, kind, slot)
                    await exchange.write(chunk)
        except httpx2.HTTPError as error:
            if started:
                raise ClientGone from None  # the answer stays without its end: the caller sees it
            words = f"The server behind this worker failed: {type(error).__name__}"
            raise Refusal(502, words, "upstream_error") from None
        await exchange.end_stream()

    def _count(self, chunk: bytes, kind: str, slot: Slot) -> None:
        """An event is a token or nearly so; a whole answer says itself how many it has."""
        if kind.startswith("text/event-stream"):
            for _ in _EVENT.finditer(chunk):
                self._slots.count_token(slot)
        elif used := _USED.search(chunk):
            self._slots.counters.predicted_tokens += int(used[1])


def _renamed(body: bytes, model: str) -> bytes:
    """The caller's body with the model's name as the server behind knows it.

    Raises:
        Refusal: 400, it is no JSON object.
    """
    try:
        fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except msgspec.MsgspecError as error:
        raise Refusal(400, f"No JSON object: {error}", "invalid_request_error") from None
    fields["model"] = msgspec.Raw(msgspec.json.encode(model))
    return msgspec.json.encode(fields)
