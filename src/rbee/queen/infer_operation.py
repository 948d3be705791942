"""The ``infer`` operation: a prompt in, token events out, through the same data plane.

The prompt becomes a request to the worker's OpenAI face: a chat of one user
message when the model has a chat template (or is not known yet: an engine then
falls back to a plain one), else a plain completion; ``raw`` is always plain.
While it waits, the job says where it stands and what is started for it. It goes
on after a restart of the queen: ``infer_story`` reads what was said, and the
dispatcher has it continued. ``device`` is a wish that the engine's own choice
answers in this version.
"""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Final

import anyio
import msgspec

from rbee.contracts.ids import LOCAL_HIVE_NAMES
from rbee.contracts.jobs import Infer, JobEvent
from rbee.contracts.principals import LOCAL, Principal, priority_for
from rbee.contracts.status import InferQueued, InferResumed, InferSelected, InferSpawning
from rbee.errors import (
    CapacityError,
    HiveNotFound,
    ModelNotFound,
    QueenRestarted,
    QueueFull,
    ShuttingDown,
    WorkerNotFound,
)
from rbee.foundation.jobserver import Handler, Job
from rbee.foundation.journal import Found
from rbee.queen.infer_count import counted
from rbee.queen.infer_reading import Reading, completed, read_stream, read_whole, summary
from rbee.queen.infer_story import Story, read_story
from rbee.queen.inference.admission import Waiting
from rbee.queen.inference.answer import Answer
from rbee.queen.inference.call import CHAT_PATH, COMPLETION_PATH, Call
from rbee.queen.inference.dispatch import Dispatcher
from rbee.queen.reconciler import News, Reconciler
from rbee.queen.registry.colony import Colony
from rbee.queen.scheduling.rates import Rates

RETURN_S: Final = 30.0
"""A restarted queen waits so long for the hives that had the model: after a power cut
they start with her, and one that needs longer would find its job failed."""

ROOM_AGAIN_S: Final = 1.0
"""After a restart all jobs ask for a place at once; who finds the queue full asks again
so often, because it had its place before."""

ROOM_WITHIN_S: Final = 300.0  # as long as the longest wait in the queue itself

_RELAYED_TYPES = frozenset({"narration", "progress"})
"""Of a spawn's events; its ``data`` belongs to whoever asked the hive."""


class Asked(msgspec.Struct):
    """What was asked, and by whom: all that is needed to run it again."""

    operation: Infer
    principal: Principal = LOCAL


class InferOperation:
    """Makes handlers for ``infer`` jobs."""

    def __init__(
        self,
        *,
        colony: Colony,
        dispatcher: Dispatcher,
        reconciler: Reconciler,
        rates: Rates | None = None,
    ) -> None:
        self._colony = colony
        self._rates = rates
        self._dispatcher = dispatcher
        self._reconciler = reconciler
        self._colony_changed = asyncio.Event()
        colony.subscribe(self._on_colony_change)

    def prepared(self, asked: Asked) -> Handler:
        """The job for what was asked; resolves its ``hive_id``.

        Raises:
            HiveNotFound: ``hive_id`` names no joined hive.
            InvalidRequest: ``priority`` is none.
        """
        operation = asked.operation
        if operation.hive_id is not None:
            operation.hive_id = self._hive_id(operation.hive_id)
        priority_for(asked.principal, operation.priority, param="$.priority")

        async def handler(job: Job) -> None:
            await self._run(job, asked, Story())

        return handler

    def recovered(self, found: Found) -> Handler:
        """The job for what an earlier life of the queen left unfinished.

        Raises:
            QueenRestarted: what is kept of it cannot be read.
        """
        try:
            asked = msgspec.json.decode(found.row.request or b"", type=Asked)
        except msgspec.MsgspecError as error:
            raise QueenRestarted(f"What the job asked cannot be read: {error}.") from None
        story = read_story(found.events)

        async def handler(job: Job) -> None:
            if not story.complete:  # else only its end was not kept
                await self._go_on(job, asked, story)

        return handler

    def _hive_id(self, name: str) -> str | None:
        try:
            return str(self._colony.find_hive(name).id)
        except HiveNotFound:
            if name.lower() in LOCAL_HIVE_NAMES:
                return None  # no hive on this machine: the wish says nothing
            raise

    def _on_colony_change(self) -> None:
        changed, self._colony_changed = self._colony_changed, asyncio.Event()
        changed.set()

    async def _go_on(self, job: Job, asked: Asked, story: Story) -> None:
        """Run it again, after what was said, on the colony as it is now."""
        where = "goes on" if story.text else "begins anew"
        news = InferResumed(reason="queen_restarted", pieces=story.pieces, restarts=job.restarts)
        job.emit("infer_resumed", f"The queen restarted; the answer {where}.", data=news)
        await self._return_of(asked.operation)
        begun = story.path is not None
        try:
            await self._run_with_room(job, asked, story)
        except ShuttingDown:
            raise
        except (ModelNotFound, WorkerNotFound, CapacityError) as error:
            if not begun:  # the error is the job's own
                raise
            raise QueenRestarted(
                f"The queen restarted in the middle of this job. {error.message}"
            ) from None

    async def _run_with_room(self, job: Job, asked: Asked, story: Story) -> None:
        give_up_at = anyio.current_time() + ROOM_WITHIN_S
        while True:
            asked_at = anyio.current_time()
            try:
                return await self._run(job, asked, story)
            except QueueFull:
                now = anyio.current_time()
                if now - asked_at > ROOM_AGAIN_S or now > give_up_at:
                    raise  # it had a place and waited too long there, or everybody does
            await anyio.sleep(ROOM_AGAIN_S)

    async def _return_of(self, operation: Infer) -> None:
        """Return when what the job was asked of is there again, or is late."""
        with anyio.move_on_after(RETURN_S):
            while not self._is_back(operation):
                await self._colony_changed.wait()

    def _is_back(self, operation: Infer) -> bool:
        model = self._colony.resolve(operation.model)
        if model is None or operation.worker_id is None:
            return model is not None
        serving = self._colony.serving(model)
        return any(worker.worker_id == operation.worker_id for worker in serving)

    async def _run(self, job: Job, asked: Asked, story: Story) -> None:
        operation = asked.operation
        call = self._call(job, asked, story.path)
        said = story.transcript(call.path, call.body)
        if story.path is None:
            data = {"model": operation.model, "path": call.path}
            job.emit("infer_start", f"Asking {operation.model}", data=data)
            story.path = call.path
        tally = self._dispatcher.plane.tally
        with counted(tally, call, self._rates) as counting, ExitStack() as while_waiting:
            while_waiting.enter_context(
                self._reconciler.following(operation.model, _relay_spawn(job))
            )
            async with self._dispatcher.answer(call, _Telling(job), said=said) as answer:
                counting.answer = answer
                while_waiting.close()
                if not answer.ok:
                    raise await answer.problem()
                await _read(job, answer, operation, story)

    def _call(self, job: Job, asked: Asked, path: str | None) -> Call:
        operation = asked.operation
        model = self._colony.resolve(operation.model)
        if path is None:
            facts = self._colony.facts(model) if model is not None else None
            chat = not operation.raw and (facts is None or facts.chat_template is not False)
            path = CHAT_PATH if chat else COMPLETION_PATH
        return Call(
            job_id=job.id,
            model=operation.model,
            path=path,
            body=request_body(operation, model or operation.model, chat=path == CHAT_PATH),
            stream=operation.stream,
            principal=asked.principal,
            priority=priority_for(asked.principal, operation.priority, param="$.priority"),
            hive_id=operation.hive_id,
            worker_id=operation.worker_id,
            deadline_s=job.left_s,
        )


async def _read(job: Job, answer: Answer, operation: Infer, story: Story) -> None:
    """The answer into events, and its sum."""
    selected = _selected(answer, operation, story)
    if answer.worker is not None:
        message = f"{selected.worker_id} on {selected.hive_id}: {selected.why}"
        job.emit("infer_worker_sel", message, data=selected)
    reading = Reading(before=story.pieces)
    if operation.stream:
        await read_stream(job, answer, reading)
    else:
        read_whole(job, await answer.read(), reading)
    done = completed(_selected(answer, operation, story), reading, streamed=operation.stream)
    job.emit("infer_complete", summary(done), type="data", data=done)


def _selected(answer: Answer, operation: Infer, story: Story) -> InferSelected:
    """The worker that answers now; where none is needed any more, the last that did."""
    worker = answer.worker
    if worker is None:
        return story.selected or InferSelected(
            worker_id="", hive_id="", model=operation.model, queue_ms=0, why=answer.why
        )
    return InferSelected(
        worker_id=worker.worker_id,
        hive_id=worker.hive_id,
        model=worker.model,
        queue_ms=answer.queue_ms,
        why=answer.why,
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
