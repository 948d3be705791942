"""The ``infer`` operation: a prompt in, token events out, through the same data plane.

The prompt becomes a request to the worker's OpenAI face: a chat of one user
message when the model has a chat template (or is not known yet: an engine then
falls back to a plain one), else a plain completion; ``raw`` is always plain.
While it waits, the job says where it stands and what is started for it.
Reasoning text comes as token events with ``data: {"reasoning": true}``, so that a
client that does not care still shows everything, in order. ``device`` is a wish
that the engine's own choice answers in this version.
"""

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, aclosing
from typing import Any, Final

import msgspec

from rbee.contracts.ids import LOCAL_HIVE_NAMES
from rbee.contracts.jobs import DONE, Infer, JobEvent
from rbee.contracts.openai import Usage
from rbee.contracts.status import InferComplete, InferQueued, InferSelected, InferSpawning
from rbee.errors import EngineError, HiveNotFound, WorkerFailed
from rbee.foundation.jobserver import Handler, Job
from rbee.foundation.sse import EventReader
from rbee.queen.inference.admission import Waiting
from rbee.queen.inference.dispatch import Answer, Call, Dispatcher
from rbee.queen.reconciler import News, Reconciler
from rbee.queen.registry.colony import Colony

CHAT_PATH: Final = "/v1/chat/completions"
COMPLETION_PATH: Final = "/v1/completions"

_RELAYED_TYPES = frozenset({"narration", "progress"})
"""Of a spawn's events; its ``data`` belongs to whoever asked the hive."""


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None


class _Choice(msgspec.Struct):
    """One choice of a chat or a plain completion, streamed or whole."""

    delta: _Delta | None = None
    message: _Delta | None = None
    text: str | None = None
    finish_reason: str | None = None


class _Timings(msgspec.Struct):
    """llama.cpp's own measure; other engines have none."""

    predicted_per_second: float | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = msgspec.field(default_factory=list[_Choice])
    usage: Usage | None = None
    timings: _Timings | None = None
    error: Any = None


class _Reading(msgspec.Struct):
    """What the answer said so far. Times in seconds of the monotonic clock."""

    tokens: int = 0
    text: list[str] = msgspec.field(default_factory=list[str])
    first_at: float | None = None
    last_at: float | None = None
    finish_reason: str | None = None
    usage: Usage | None = None
    engine_rate: float | None = None


class InferOperation:
    """Makes handlers for ``infer`` jobs."""

    def __init__(self, *, colony: Colony, dispatcher: Dispatcher, reconciler: Reconciler) -> None:
        self._colony = colony
        self._dispatcher = dispatcher
        self._reconciler = reconciler

    def prepared(self, operation: Infer) -> Handler:
        """The job for ``operation``.

        Raises:
            HiveNotFound: ``hive_id`` names no joined hive.
        """
        if operation.hive_id is not None:
            operation.hive_id = self._hive_id(operation.hive_id)

        async def handler(job: Job) -> None:
            await self._run(job, operation)

        return handler

    def _hive_id(self, name: str) -> str | None:
        try:
            return str(self._colony.find_hive(name).id)
        except HiveNotFound:
            if name.lower() in LOCAL_HIVE_NAMES:
                return None  # no hive on this machine: the wish says nothing
            raise

    async def _run(self, job: Job, operation: Infer) -> None:
        job.emit("infer_start", f"Asking {operation.model}", data={"model": operation.model})
        call = self._call(job.id, operation)
        with ExitStack() as while_waiting:
            while_waiting.enter_context(
                self._reconciler.following(operation.model, _relay_spawn(job))
            )
            async with self._dispatcher.answer(call, _Telling(job)) as answer:
                while_waiting.close()
                if not answer.ok:
                    raise await answer.problem()
                selected = InferSelected(
                    worker_id=answer.worker.worker_id,
                    hive_id=answer.worker.hive_id,
                    model=answer.worker.model,
                    queue_ms=answer.queue_ms,
                    why=answer.why,
                )
                message = f"{selected.worker_id} on {selected.hive_id}: {answer.why}"
                job.emit("infer_worker_sel", message, data=selected)
                reading = _Reading()
                if operation.stream:
                    await _read_stream(job, answer, reading)
                else:
                    _read_whole(job, await answer.read(), reading)
                done = _completed(answer, reading, streamed=operation.stream)
                job.emit("infer_complete", _summary(done), type="data", data=done)

    def _call(self, job_id: str, operation: Infer) -> Call:
        model = self._colony.resolve(operation.model)
        facts = self._colony.facts(model) if model is not None else None
        chat = not operation.raw and (facts is None or facts.chat_template is not False)
        return Call(
            job_id=job_id,
            model=operation.model,
            path=CHAT_PATH if chat else COMPLETION_PATH,
            body=request_body(operation, model or operation.model, chat=chat),
            stream=operation.stream,
            hive_id=operation.hive_id,
            worker_id=operation.worker_id,
        )


def request_body(operation: Infer, model: str, *, chat: bool) -> bytes:
    """The OpenAI request for a prompt; what was not given is left to the engine."""
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": operation.max_tokens,
        "temperature": operation.temperature,
        "stream": operation.stream,
    }
    if chat:
        body["messages"] = [{"role": "user", "content": operation.prompt}]
    else:
        body["prompt"] = operation.prompt
    if operation.top_p is not None:
        body["top_p"] = operation.top_p
    if operation.top_k is not None:
        body["top_k"] = operation.top_k
    if operation.stream:
        body["stream_options"] = {"include_usage": True}
    return msgspec.json.encode(body)


def _relay_spawn(job: Job) -> Callable[[News], None]:
    """What is started for this job becomes part of its story."""

    def listener(news: News) -> None:
        match news:
            case InferSpawning():
                message = f"Starting {news.model} on {news.hive_id}: {'; '.join(news.why)}"
                job.emit("infer_worker_spawn", message, data=news)
            case JobEvent():
                if news.type in _RELAYED_TYPES:
                    job.emit(news.action, news.message, type=news.type, data=news.data)

    return listener


class _Telling:
    """``OnWait``: an event when the position or the reason changed, not every second."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._told: tuple[int, str] | None = None

    async def __call__(self, waiting: Waiting) -> None:
        told = (waiting.position, waiting.reason)
        if told == self._told:
            return
        self._told = told
        queued = InferQueued(
            position=waiting.position,
            eta_s=waiting.eta_s,
            waited_s=waiting.waited_s,
            reason=waiting.reason,
        )
        message = f"Waiting at position {waiting.position}: {waiting.reason}"
        self._job.emit("infer_queued", message, data=queued)


async def _chunks(answer: Answer) -> AsyncGenerator[_Chunk]:
    """The answer's events up to ``[DONE]``.

    Raises:
        WorkerFailed: the stream ended without one, or holds no chunks.
        EngineError: the engine said so in the stream.
    """
    reader = EventReader()
    async for block in answer.events():
        for event in reader.feed(block):
            if event.data == DONE:
                return
            yield _decoded(event.data)
    raise WorkerFailed(f"The worker {answer.worker.worker_id} stopped in the middle of its answer.")


def _decoded(data: str | bytes) -> _Chunk:
    try:
        chunk = msgspec.json.decode(data, type=_Chunk)
    except msgspec.MsgspecError as error:
        raise WorkerFailed(f"The worker answered something unreadable: {error}.") from None
    if chunk.error is not None:
        said: object = chunk.error
        if isinstance(said, dict) and "message" in said:
            said = said["message"]  # pyright: ignore[reportUnknownVariableType]  any JSON
        raise EngineError(f"The engine failed in the middle of its answer: {said}.")
    return chunk


async def _read_stream(job: Job, answer: Answer, reading: _Reading) -> None:
    async with aclosing(_chunks(answer)) as chunks:
        async for chunk in chunks:
            _note_totals(chunk, reading)
            for choice in chunk.choices:
                _emit_pieces(job, choice, reading)


def _emit_pieces(job: Job, choice: _Choice, reading: _Reading) -> None:
    delta = choice.delta or _Delta(content=choice.text)
    if delta.reasoning_content:
        job.emit("token", delta.reasoning_content, type="token", data={"reasoning": True})
    if delta.content:
        job.emit("token", delta.content, type="token")
    if delta.content or delta.reasoning_content:
        now = time.monotonic()
        reading.tokens += 1
        reading.first_at = reading.first_at or now
        reading.last_at = now


def _read_whole(job: Job, body: bytes, reading: _Reading) -> None:
    chunk = _decoded(body)
    _note_totals(chunk, reading)
    for choice in chunk.choices:
        message = choice.message or _Delta(content=choice.text)
        if message.reasoning_content:
            job.emit("token", message.reasoning_content, type="token", data={"reasoning": True})
        text = message.content or ""
        reading.text.append(text)
        job.emit("token", text, type="token")


def _note_totals(chunk: _Chunk, reading: _Reading) -> None:
    reading.usage = chunk.usage or reading.usage
    if chunk.timings is not None and chunk.timings.predicted_per_second is not None:
        reading.engine_rate = chunk.timings.predicted_per_second
    for choice in chunk.choices:
        reading.finish_reason = choice.finish_reason or reading.finish_reason


def _completed(answer: Answer, reading: _Reading, *, streamed: bool) -> InferComplete:
    tokens = reading.usage.completion_tokens if reading.usage else reading.tokens or None
    rate = reading.engine_rate or _measured_rate(tokens, reading)
    return InferComplete(
        worker_id=answer.worker.worker_id,
        hive_id=answer.worker.hive_id,
        model=answer.worker.model,
        queue_ms=answer.queue_ms,
        tokens=tokens,
        tokens_per_s=None if rate is None else round(rate, 2),
        finish_reason=reading.finish_reason,
        usage=reading.usage,
        text=None if streamed else "".join(reading.text),
    )


def _measured_rate(tokens: int | None, reading: _Reading) -> float | None:
    """Tokens per second after the first one, as they arrived here."""
    if not tokens or tokens < 2 or reading.first_at is None or reading.last_at is None:  # noqa: PLR2004  a rate needs two
        return None
    span_s = reading.last_at - reading.first_at
    return (tokens - 1) / span_s if span_s > 0 else None


def _summary(done: InferComplete) -> str:
    tokens = "an unknown number of" if done.tokens is None else str(done.tokens)
    rate = "" if done.tokens_per_s is None else f" at {done.tokens_per_s:.1f} tokens/s"
    return f"{tokens} tokens{rate}, {done.finish_reason or 'ended'}"
