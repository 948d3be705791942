"""llama.cpp's routes on ASGI: key, readiness, route, in that order.

``listener`` calls this for each request. Only ``/health`` is open, as the real
server has it (measured: ``/v1/models`` wants the key too).
"""

import hmac
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Final, TypeAlias

from rbee.errors import InvalidRequest
from rbee.worker.api import answers
from rbee.worker.api.answers import Refusal
from rbee.worker.api.exchange import ClientGone, Exchange
from rbee.worker.api.generation import answer_text
from rbee.worker.api.requests import (
    ChatRequest,
    CompletionRequest,
    EmbeddingsRequest,
    TokenizeRequest,
    read,
)
from rbee.worker.engines.text_engine import TextEngine
from rbee.worker.slots import Slots

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

Handler: TypeAlias = Callable[["WorkerApi", Exchange, bytes], Coroutine[object, object, None]]

OPEN_PATHS: Final = frozenset({"/health", "/v1/health"})
_METRICS_TYPE = "text/plain; version=0.0.4"  # Prometheus' text format


class WorkerApi:
    """The ASGI application in front of one engine."""

    def __init__(self, engine: TextEngine, key: str) -> None:
        self._engine = engine
        self._slots = Slots(engine.slot_count)
        self._authorization = f"Bearer {key}".encode()

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer one HTTP request."""
        exchange = Exchange(scope, receive, send)
        try:
            handler = self._handler_for(scope)
            body = await exchange.read_body()
            await exchange.unless_gone(handler(self, exchange, body))
        except Refusal as refusal:
            await exchange.json(refusal.status, refusal.body)
        except InvalidRequest as error:
            refusal = Refusal(400, error.message, "invalid_request_error")
            await exchange.json(refusal.status, refusal.body)
        except ClientGone:
            return

    def _handler_for(self, scope: "Scope") -> Handler:
        path: str = scope["path"]
        if path not in OPEN_PATHS:
            sent = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(sent, self._authorization):
                raise Refusal(401, "Invalid API Key", "authentication_error")
        if not self._engine.ready:
            raise Refusal(503, "Loading model", "unavailable_error")
        handler = _ROUTES.get((scope["method"], path))
        if handler is None:
            raise Refusal(404, "File Not Found", "not_found_error")
        return handler

    async def health(self, exchange: Exchange, body: bytes) -> None:
        """``GET /health``."""
        del body
        await exchange.json(200, {"status": "ok"})

    async def models(self, exchange: Exchange, body: bytes) -> None:
        """``GET /v1/models``."""
        del body
        engine = self._engine
        await exchange.json(200, answers.models(engine.alias, engine.context_tokens))

    async def props(self, exchange: Exchange, body: bytes) -> None:
        """``GET /props``."""
        del body
        engine = self._engine
        await exchange.json(
            200, answers.props(engine.alias, engine.context_tokens, engine.slot_count)
        )

    async def slots(self, exchange: Exchange, body: bytes) -> None:
        """``GET /slots``."""
        del body
        await exchange.json(200, self._slots.listing(self._engine.context_tokens))

    async def metrics(self, exchange: Exchange, body: bytes) -> None:
        """``GET /metrics``."""
        del body
        await exchange.answer(200, self._slots.metrics().encode(), _METRICS_TYPE)

    async def chat(self, exchange: Exchange, body: bytes) -> None:
        """``POST /v1/chat/completions``."""
        await answer_text(self._engine, self._slots, exchange, read(body, ChatRequest), "chat")

    async def completions(self, exchange: Exchange, body: bytes) -> None:
        """``POST /v1/completions``."""
        await answer_text(
            self._engine, self._slots, exchange, read(body, CompletionRequest), "completions"
        )

    async def completion(self, exchange: Exchange, body: bytes) -> None:
        """``POST /completion``."""
        await answer_text(
            self._engine, self._slots, exchange, read(body, CompletionRequest), "completion"
        )

    async def apply_template(self, exchange: Exchange, body: bytes) -> None:
        """``POST /apply-template``."""
        prompt = self._engine.render(read(body, ChatRequest).turns)
        await exchange.json(200, {"prompt": prompt})

    async def tokenize(self, exchange: Exchange, body: bytes) -> None:
        """``POST /tokenize``."""
        request = read(body, TokenizeRequest)
        tokens = self._engine.tokenize(request.content)
        if request.with_pieces:
            rows: list[object] = [{"id": number, "piece": piece} for number, piece in tokens]
            await exchange.json(200, {"tokens": rows})
        else:
            await exchange.json(200, {"tokens": [number for number, _ in tokens]})

    async def embeddings(self, exchange: Exchange, body: bytes) -> None:
        """``POST /v1/embeddings``."""
        engine = self._engine
        if not engine.embeds:
            message = "This server does not support embeddings. Start it with `--embeddings`"
            raise Refusal(501, message, "not_supported_error")
        request = read(body, EmbeddingsRequest)
        tokens = sum(len(engine.tokenize(text)) for text in request.texts)
        async with self._slots.take(prompt_tokens=tokens, limit=0):
            vectors = [engine.embed(text) for text in request.texts]
        model = request.model or engine.alias
        as_base64 = request.encoding_format == "base64"
        await exchange.json(200, answers.embeddings(model, vectors, tokens, as_base64=as_base64))


_ROUTES: Final[dict[tuple[str, str], Handler]] = {
    ("GET", "/health"): WorkerApi.health,
    ("GET", "/v1/health"): WorkerApi.health,
    ("GET", "/v1/models"): WorkerApi.models,
    ("GET", "/models"): WorkerApi.models,
    ("GET", "/props"): WorkerApi.props,
    ("GET", "/slots"): WorkerApi.slots,
    ("GET", "/metrics"): WorkerApi.metrics,
    ("POST", "/v1/chat/completions"): WorkerApi.chat,
    ("POST", "/chat/completions"): WorkerApi.chat,
    ("POST", "/v1/completions"): WorkerApi.completions,
    ("POST", "/completion"): WorkerApi.completion,
    ("POST", "/completions"): WorkerApi.completion,
    ("POST", "/apply-template"): WorkerApi.apply_template,
    ("POST", "/tokenize"): WorkerApi.tokenize,
    ("POST", "/v1/embeddings"): WorkerApi.embeddings,
}
"""A path with another method is 404, as the real server has it."""
