"""From a call to its answer: admit, open the worker, try another before the first byte.

Every inference comes through here, whichever door it came in by: the OpenAI
door forwards the events, the ``infer`` operation reads them. Until the first
byte of the worker's body nobody has seen anything, so a worker that refuses or
dies is replaced by the next one and the client sees only success.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator

import msgspec

from rbee.errors import (
    ContextExceeded,
    EngineError,
    InvalidRequest,
    RbeeError,
    WorkerFailed,
)
from rbee.foundation import logs
from rbee.queen.inference.admission import Admission, Grant, OnWait, Wish
from rbee.queen.inference.assemble import STREAMING_PATHS, Assembler, as_streaming
from rbee.queen.inference.events import EventCutter
from rbee.queen.inference.upstream import Request, Upstream, WorkerGone, open_upstream
from rbee.queen.registry.colony import Colony
from rbee.queen.registry.workers import RoutableWorker
from rbee.queen.scheduling.demand import Demand

ATTEMPTS_MAX = 3  # a third dead worker in a row is no accident of one process
LOADING_PAUSE_S = 0.2  # a worker that says 503 is between its start and its first token

EMBEDDINGS_PATH = "/v1/embeddings"

_STATUS_OK = 200
_STATUS_LOADING = 503
_STATUS_NOT_SUPPORTED = 501  # llama.cpp's word for "started without that feature"
_CONTEXT_EXCEEDED = "exceed_context_size_error"

_log = logs.get(__name__)


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One inference request. ``path`` is the worker's, ``body`` its JSON bytes."""

    job_id: str
    model: str
    path: str
    body: bytes
    stream: bool
    hive_id: str | None = None
    worker_id: str | None = None


class Answer:
    """A worker's answer, its first byte received. Leaving ``Dispatcher.answer`` ends it."""

    def __init__(self, upstream: Upstream, grant: Grant, *, assembled: bool) -> None:
        self._upstream = upstream
        self._assembled = assembled
        self.worker: RoutableWorker = grant.worker
        self.why = grant.why
        self.queue_ms = int(grant.waited_s * 1000)
        self.status = upstream.status
        self.headers = upstream.headers

    @property
    def ok(self) -> bool:
        """Whether the worker took the request."""
        return self.status == _STATUS_OK

    @property
    def content_type(self) -> bytes:
        """The media type that the client sees."""
        if self._assembled and self.ok:
            return b"application/json"
        return next((v for k, v in self.headers if k == b"content-type"), b"application/json")

    async def events(self) -> AsyncIterator[bytes]:
        """The body as it comes, cut into whole events where it is an event stream.

        Raises:
            WorkerFailed: the worker died or fell silent in mid-answer.
        """
        if not self._upstream.is_event_stream:
            while data := await self._upstream.read():
                yield data
            return
        cutter = EventCutter()
        while chunk := await self._upstream.read():
            if whole := cutter.feed(chunk):
                yield whole
        if rest := cutter.rest():
            yield rest

    async def read(self) -> bytes:
        """The whole body as a client that does not stream expects it.

        Raises:
            WorkerFailed: the worker died, or reported an error in its stream.
        """
        if not (self._assembled and self.ok):
            return await self._upstream.read_all()
        assembler = Assembler()
        async for events in self.events():
            assembler.feed(events)
        return assembler.answer()

    async def problem(self) -> RbeeError:
        """The worker's refusal as one of our errors (``ok`` is false)."""
        return refusal(self.status, await self._upstream.read_all())


class Dispatcher:
    """The data plane's front: give it calls, get answers."""

    def __init__(self, colony: Colony, demand: Demand, admission: Admission) -> None:
        self._colony = colony
        self._demand = demand
        self._admission = admission

    @contextlib.asynccontextmanager
    async def answer(self, call: Call, on_wait: OnWait | None = None) -> AsyncGenerator[Answer]:
        """The answer to a call; leaving the block early stops the worker's work.

        ``on_wait`` is awaited about once a second while the request is queued.

        Raises:
            RbeeError: as ``Admission.admit``; WorkerFailed after ``ATTEMPTS_MAX``.
        """
        grant, upstream, assembled = await self._open(call, on_wait)
        try:
            yield Answer(upstream, grant, assembled=assembled)
        finally:
            if upstream.gone:
                self._bury(call, grant.worker)
            upstream.abort()
            grant.release()

    async def drain(self, limit_s: float) -> None:
        """Admit nobody any more; return when the running answers ended, or at the limit."""
        self._admission.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._admission.idle.wait(), limit_s)

    async def _open(self, call: Call, on_wait: OnWait | None) -> tuple[Grant, Upstream, bool]:
        wish = Wish(
            model=call.model,
            task="embeddings" if call.path == EMBEDDINGS_PATH else "generate",
            hive_id=call.hive_id,
            worker_id=call.worker_id,
        )
        waited_s = 0.0
        for attempt in range(1, ATTEMPTS_MAX + 1):
            grant = await self._admission.admit(wish, on_wait)
            grant.waited_s = waited_s = waited_s + grant.waited_s
            assembled = _is_assembled(call, grant.worker)
            body = as_streaming(call.body) if assembled else call.body
            try:
                upstream = await open_upstream(grant.worker, Request(call.path, body))
            except WorkerGone:
                grant.release()
                self._bury(call, grant.worker)
                if attempt == ATTEMPTS_MAX:
                    raise
                continue
            except BaseException:
                grant.release()
                raise
            if upstream.status == _STATUS_LOADING and attempt < ATTEMPTS_MAX:
                upstream.abort()
                grant.release()
                await asyncio.sleep(LOADING_PAUSE_S)
                continue
            return grant, upstream, assembled
        raise WorkerFailed("No worker answered.")

    def _bury(self, call: Call, worker: RoutableWorker) -> None:
        """Take a worker out of routing until its hive reports a newer process."""
        _log.warning("worker gone", job=call.job_id, worker=worker.worker_id)
        self._colony.mark_dead(worker.worker_id, worker.generation)


def _is_assembled(call: Call, worker: RoutableWorker) -> bool:
    return not call.stream and not worker.unary_cancel and call.path in STREAMING_PATHS


class _EngineRefusal(msgspec.Struct):
    message: str = ""
    type: str = ""
    n_prompt_tokens: int | None = None
    n_ctx: int | None = None


class _EngineRefusalEnvelope(msgspec.Struct):
    error: _EngineRefusal


def refusal(status: int, body: bytes) -> RbeeError:
    """An engine's error body as one of our errors, with numbers and a remedy where it has them."""
    try:
        said = msgspec.json.decode(body, type=_EngineRefusalEnvelope).error
    except (msgspec.MsgspecError, UnicodeDecodeError):
        said = _EngineRefusal(message=f"The worker answered {status}")
    if said.type == _CONTEXT_EXCEEDED:
        return ContextExceeded(
            f"The prompt has {said.n_prompt_tokens} tokens and the worker's context {said.n_ctx}."
        )
    message = said.message.rstrip(".") or "it gave no reason"
    if 400 <= status < 500 or status == _STATUS_NOT_SUPPORTED:  # noqa: PLR2004  4xx
        return InvalidRequest(f"The engine refused the request: {message}.")
    return EngineError(f"The engine failed: {message}.")
