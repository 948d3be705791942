"""A worker's answer, read into the token events of an ``infer`` job.

Chats and plain completions, streamed or whole, become the same events. Reasoning
text comes as token events with ``data: {"reasoning": true}``, so that a client
that does not care still shows everything, in order.
"""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import msgspec

from rbee.contracts.jobs import DONE
from rbee.contracts.openai import Usage
from rbee.contracts.status import InferComplete, InferResumed, InferSelected
from rbee.errors import EngineError, WorkerFailed
from rbee.foundation.jobserver import Job
from rbee.foundation.sse import EventReader
from rbee.queen.inference.answer import Answer


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


class Reading(msgspec.Struct):
    """What the answer said so far. Times in seconds of the monotonic clock.

    ``before`` is how many token events an earlier life of the queen had emitted;
    ``pieces`` counts those of this one.
    """

    before: int = 0
    pieces: int = 0
    text: list[str] = msgspec.field(default_factory=list[str])
    first_at: float | None = None
    last_at: float | None = None
    finish_reason: str | None = None
    usage: Usage | None = None
    engine_rate: float | None = None


async def read_stream(job: Job, answer: Answer, reading: Reading) -> None:
    """Emit the answer's tokens as they come; says so when another worker goes on with it.

    Raises:
        WorkerFailed: the stream ended without ``[DONE]``, or holds no chunks.
        EngineError: the engine said so in the stream.
    """
    continued = 0
    async with aclosing(_chunks(answer)) as chunks:
        async for chunk in chunks:
            if answer.continued != continued:
                continued = answer.continued
                _tell_resumed(job, answer, reading)
            _note_totals(chunk, reading)
            for choice in chunk.choices:
                _emit_pieces(job, choice, reading)
            await job.room()


def read_whole(job: Job, body: bytes, reading: Reading) -> None:
    """Emit the whole answer as one token event.

    Raises:
        WorkerFailed: the body is no answer.
        EngineError: it is an error.
    """
    chunk = _decoded(body)
    _note_totals(chunk, reading)
    for choice in chunk.choices:
        message = choice.message or _Delta(content=choice.text)
        if message.reasoning_content:
            job.emit("token", message.reasoning_content, type="token", data={"reasoning": True})
        text = message.content or ""
        reading.text.append(text)
        job.emit("token", text, type="token")


def completed(selected: InferSelected, reading: Reading, *, streamed: bool) -> InferComplete:
    """The sum of the answer."""
    counted = (reading.before + reading.pieces) or None
    tokens = reading.usage.completion_tokens if reading.usage else counted
    rate = reading.engine_rate or _measured_rate(reading)
    return InferComplete(
        worker_id=selected.worker_id,
        hive_id=selected.hive_id,
        model=selected.model,
        queue_ms=selected.queue_ms,
        tokens=tokens,
        tokens_per_s=None if rate is None else round(rate, 2),
        finish_reason=reading.finish_reason,
        usage=reading.usage,
        text=None if streamed else "".join(reading.text),
    )


def summary(done: InferComplete) -> str:
    """``12 tokens at 34.0 tokens/s, stop``."""
    tokens = "an unknown number of" if done.tokens is None else str(done.tokens)
    rate = "" if done.tokens_per_s is None else f" at {done.tokens_per_s:.1f} tokens/s"
    return f"{tokens} tokens{rate}, {done.finish_reason or 'ended'}"


async def _chunks(answer: Answer) -> AsyncGenerator[_Chunk]:
    """The answer's events up to ``[DONE]``."""
    reader = EventReader()
    async for block in answer.events():
        for event in reader.feed(block):
            if event.data == DONE:
                return
            yield _decoded(event.data)
    name = answer.worker.worker_id if answer.worker is not None else "that is gone"
    raise WorkerFailed(f"The worker {name} stopped in the middle of its answer.")


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


def _tell_resumed(job: Job, answer: Answer, reading: Reading) -> None:
    worker_id = answer.worker.worker_id if answer.worker is not None else None
    news = InferResumed(
        reason="worker_lost", pieces=reading.before + reading.pieces, worker_id=worker_id
    )
    there = "" if worker_id is None else f" on {worker_id}"
    job.emit("infer_resumed", f"The worker was lost; the answer goes on{there}.", data=news)


def _emit_pieces(job: Job, choice: _Choice, reading: Reading) -> None:
    delta = choice.delta or _Delta(content=choice.text)
    if delta.reasoning_content:
        job.emit("token", delta.reasoning_content, type="token", data={"reasoning": True})
    if delta.content:
        job.emit("token", delta.content, type="token")
    if delta.content or delta.reasoning_content:
        now = time.monotonic()
        reading.pieces += 1
        reading.first_at = reading.first_at or now
        reading.last_at = now


def _note_totals(chunk: _Chunk, reading: Reading) -> None:
    reading.usage = chunk.usage or reading.usage
    if chunk.timings is not None and chunk.timings.predicted_per_second is not None:
        reading.engine_rate = chunk.timings.predicted_per_second
    for choice in chunk.choices:
        reading.finish_reason = choice.finish_reason or reading.finish_reason


def _measured_rate(reading: Reading) -> float | None:
    """Tokens per second after the first one, as they arrived here."""
    if reading.pieces < 2 or reading.first_at is None or reading.last_at is None:  # noqa: PLR2004  a rate needs two
        return None
    span_s = reading.last_at - reading.first_at
    return (reading.pieces - 1) / span_s if span_s > 0 else None
