"""One call on its way: the worker before the first byte, and the legs after it.

Until the first byte of the worker's body nobody has seen anything, so a worker that
refuses or dies is replaced by the next one and the client sees only success. After
it, an answer is continued: what the client was sent goes to another worker, and its
stream is stitched on. ``dispatch`` makes these, ``plane`` keeps their books.
"""

import asyncio
from types import TracebackType
from typing import Final

from rbee.errors import ContextExceeded, RbeeError, WorkerFailed
from rbee.foundation import logs
from rbee.queen.inference.admission import Grant
from rbee.queen.inference.answer import Answer, Ending, Leg
from rbee.queen.inference.assemble import ASSEMBLED_PATHS, STREAMING_PATHS, as_streaming
from rbee.queen.inference.call import Call
from rbee.queen.inference.continuation import (
    CONTINUATIONS_MAX,
    CannotGoOn,
    Ended,
    Question,
    Transcript,
    resume,
    unsafe,
)
from rbee.queen.inference.outcome import outcome
from rbee.queen.inference.plane import Plane
from rbee.queen.inference.refusals import refusal
from rbee.queen.inference.stopping import Stopping
from rbee.queen.inference.upstream import BUFFERED_BYTES_MAX, Stale, Upstream, WorkerGone
from rbee.queen.inference.waiting import OnWait, Waiting
from rbee.queen.registry.workers import RoutableWorker

ATTEMPTS_MAX: Final = 3  # a third dead worker in a row is no accident of one process
LOADING_PAUSE_S: Final = 0.2  # a worker that says 503 is between its start and its first token
TELL_AFTER_S: Final = 3.0  # wire.md: who streams and has waited this long is told why
QUESTION_S: Final = 10.0  # a tokenizer answers in milliseconds, behind a long prompt in seconds

_STATUS_OK: Final = 200
_STATUS_LOADING: Final = 503

_log = logs.get(__name__)


class Answering:
    """One call on its way: the block of ``Dispatcher.answer``, and its legs."""

    __slots__ = (
        "_answer",
        "_attempts",
        "_call",
        "_continuations",
        "_on_wait",
        "_plane",
        "_said",
        "_stopping",
        "_taken",
        "_waited",
    )

    def __init__(
        self,
        plane: Plane,
        call: Call,
        on_wait: OnWait | None,
        *,
        said: Transcript | None = None,
        taken: Grant | Leg | None = None,
    ) -> None:
        """``taken`` is a slot that the call has already, or a leg that has begun to answer."""
        self._plane = plane
        self._call = call
        self._on_wait = on_wait
        self._said = said
        self._taken = taken
        self._answer: Answer | None = None
        self._attempts = 0 if taken is None else 1
        self._continuations = 0
        self._waited = 0.0
        self._stopping: Stopping | None = None

    async def __aenter__(self) -> Answer:
        """Find a worker and wait for its first byte."""
        job_id = self._call.job_id
        stopping = self._stopping = Stopping()
        self._plane.stops[job_id] = stopping.stop
        try:
            return await self._begin()
        except BaseException as error:
            self._plane.stops.pop(job_id, None)
            stopped = stopping.cause(error)
            self._plane.ledger.ended(job_id, outcome(None, stopped or error))
            if stopped is not None:
                raise stopped from None
            raise

    async def _begin(self) -> Answer:
        call = self._call
        self._plane.budget.earn()
        taken = self._taken
        if isinstance(taken, Leg):
            leg: Leg | Ending = await self._taken_over(taken)
            assembled = False
        elif self._said is not None and not self._said.blank:
            leg = await self._goes_on(self._said)
            assembled = not call.stream
        else:
            leg = await self._open(call.body, grant=taken)
            assembled = _is_assembled(call, leg.grant.worker)
        may_go_on = assembled or (call.stream and call.path in STREAMING_PATHS)
        self._answer = Answer(
            leg,
            path=call.path,
            assembled=assembled,
            legs=self if may_go_on else None,
            said=self._said,
            queue_s=self._waited,
            first_at=asyncio.get_running_loop().time(),
        )
        return self._answer

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop what still runs, give the slot to the next."""
        self._plane.stops.pop(self._call.job_id, None)
        if self._answer is None:
            return
        leg = self._answer.leg
        stopped = None if self._stopping is None else self._stopping.cause(value)
        self._plane.ledger.ended(self._call.job_id, outcome(leg, stopped or value))
        if isinstance(leg, Leg):
            self.over(leg)
        if stopped is not None:
            raise stopped from None

    # ── legs ──────────────────────────────────────────────────────────────────

    def over(self, leg: Leg) -> None:
        """Nothing more is wanted of this leg: its slot and its connection go back."""
        self._plane.over(self._call, leg)

    async def following(self, said: Transcript, error: RbeeError) -> Leg | Ending:
        """The leg that goes on where one broke by ``error``.

        Raises:
            WorkerFailed: it must not go on, or has done so too often.
            RbeeError: no worker could be had.
        """
        model = self._call.model
        if self._answer is not None and isinstance(self._answer.leg, Leg):
            broken = self._answer.leg.grant.worker
            model = broken.model
            self._plane.ledger.lost(self._call.job_id, broken.worker_id, error.message)
        try:
            leg = await self._following(said, error)
        except RbeeError:
            self._plane.tally.continued(model, ok=False)
            raise
        self._plane.tally.continued(model, ok=True)
        return leg

    async def _following(self, said: Transcript, error: RbeeError) -> Leg | Ending:
        call = self._call
        if self._continuations >= CONTINUATIONS_MAX:
            raise WorkerFailed(f"{error.message} It was the answer's fourth worker.") from None
        self._continuations += 1
        if call.path not in STREAMING_PATHS:  # in one piece: its client has seen nothing yet
            return await self._open(as_streaming(call.body, call.path), continuing=True)
        if (reason := unsafe(call.path, call.body, said)) is not None:
            if not call.stream:  # its client has seen nothing yet
                _log.info("beginning anew", job=call.job_id, reason=error.message)
                return await self._open(as_streaming(call.body, call.path), continuing=True)
            raise WorkerFailed(
                f"{error.message} The answer cannot go on elsewhere: {reason}."
            ) from None
        _log.info("continuing", job=call.job_id, reason=error.message)
        try:
            return await self._goes_on(said)
        except CannotGoOn:
            if call.stream:
                raise
            return await self._open(as_streaming(call.body, call.path), continuing=True)

    async def _goes_on(self, said: Transcript) -> Leg | Ending:
        """Ask what has to be asked of a worker that is left, then begin the next leg there."""
        call = self._call
        body = call.body if call.stream else as_streaming(call.body, call.path)
        plan = resume(call.path, body, said)
        grant: Grant | None = None
        try:
            question = next(plan)
            while True:
                grant, reply = await self._asked(grant, question)
                question = plan.send(reply)
        except StopIteration as stop:
            found = stop.value
        except BaseException:
            if grant is not None:
                grant.release(served=False)
            raise
        if isinstance(found, Ended):
            if grant is not None:
                grant.release(served=False)
            return Ending(found.events)
        leg = await self._open(found.body, continuing=True, grant=grant)
        if leg.upstream.status == _STATUS_OK:
            return leg._replace(stitcher=found.stitcher)
        refused = refusal(leg.upstream.status, await leg.upstream.read_all())
        self.over(leg)
        if isinstance(refused, ContextExceeded):
            # Not a token more fits: the first worker would have ended here too.
            return Ending(found.stitcher.end("length"))
        raise refused

    async def _asked(
        self, grant: Grant | None, question: Question
    ) -> tuple[Grant | None, bytes | None]:
        """A worker's answer to a small question, or None where it has none; and whose it was."""
        for _ in range(ATTEMPTS_MAX):
            if grant is None:
                grant = await self._admitted(again=True)
            try:
                return grant, await self._reply(grant.worker, question)
            except WorkerGone:
                grant.release(served=False)
                self._plane.lost(self._call, grant.worker)
                grant = None
            except BaseException:
                grant.release(served=False)
                raise
        return None, None

    async def _reply(self, worker: RoutableWorker, question: Question) -> bytes | None:
        """One worker's answer to a small question; None where it has none.

        Raises:
            WorkerGone: it is dead too.
        """
        pool = self._plane.pool
        upstream = await pool.fresh(worker)
        try:
            upstream.send(pool.request(worker, question.path, question.body))
            async with asyncio.timeout(QUESTION_S):
                body = await upstream.read_all()
        except WorkerGone:
            raise
        except (WorkerFailed, TimeoutError):
            return None
        finally:
            pool.give_back(upstream, worker)
        return body if upstream.status == _STATUS_OK else None

    # ── before the first byte ─────────────────────────────────────────────────

    async def _admitted(self, *, again: bool) -> Grant:
        """A slot. Who was ``again`` left without a worker stands first in line."""
        call, admission = self._call, self._plane.admission
        grant = admission.try_admit(call)
        if grant is None:
            grant = await admission.wait(call, self._tell_waiting, again=again)
            self._waited += grant.waited_s
        self._attempts += 1
        self._plane.granted(call, grant, self._attempts)
        return grant

    async def _tell_waiting(self, waiting: Waiting) -> None:
        """Keep why it waits, and tell the client."""
        self._plane.waits(self._call, waiting)
        if self._on_wait is not None:
            await self._on_wait(waiting)

    async def _open(
        self, body: bytes, *, continuing: bool = False, grant: Grant | None = None
    ) -> Leg:
        """A worker that has begun to answer; the first one tried is ``grant``'s, if given."""
        call = self._call
        for attempt in range(1, ATTEMPTS_MAX + 1):
            if grant is None:
                grant = await self._admitted(again=continuing or attempt > 1)
            try:
                upstream = await self._begun(grant.worker, body, streamed=continuing or call.stream)
            except WorkerGone:
                grant.release(served=False)
                self._plane.lost(self._call, grant.worker)
                grant = None
                if attempt == ATTEMPTS_MAX or not (continuing or self._plane.budget.spend()):
                    raise
                continue
            except BaseException:
                grant.release(served=False)
                raise
            if upstream.status == _STATUS_LOADING and attempt < ATTEMPTS_MAX:
                self._plane.pool.give_back(upstream, grant.worker)
                grant.release(served=False)
                grant = None
                await asyncio.sleep(LOADING_PAUSE_S)
                continue
            return Leg(grant, upstream)
        raise WorkerFailed("No worker answered.")

    async def _taken_over(self, leg: Leg) -> Leg:
        """A leg that was begun elsewhere; its first byte may still be to come."""
        upstream, worker = leg.upstream, leg.grant.worker
        try:
            if not upstream.begun:
                await self._first_byte(upstream)
        except WorkerGone:
            self._plane.pool.give_back(upstream, worker)
            leg.grant.release(served=False)
            self._plane.lost(self._call, worker)
            return await self._open(self._call.body)
        except BaseException:
            upstream.abort()
            self.over(leg)
            raise
        if upstream.status != _STATUS_LOADING:
            return leg
        self._plane.pool.give_back(upstream, worker)
        leg.grant.release(served=False)
        await asyncio.sleep(LOADING_PAUSE_S)
        return await self._open(self._call.body)

    async def _first_byte(self, upstream: Upstream) -> None:
        """Wait for it; who streams hears about a long wait."""
        if self._on_wait is None:
            await upstream.first_byte()
        else:
            await _told_first_byte(upstream, self._on_wait)

    async def _begun(self, worker: RoutableWorker, body: bytes, *, streamed: bool) -> Upstream:
        """Send the request; return when the answer's first byte is here.

        A kept connection that turns out to be closed is no sign of a dead worker: the
        request goes over a fresh one, once.
        """
        call, pool = self._call, self._plane.pool
        assembled = _is_assembled(call, worker)
        if assembled and not streamed:
            body = as_streaming(body, call.path)
        request = pool.request(worker, call.path, body)
        wants_done = (streamed or assembled) and call.path in STREAMING_PATHS
        upstream = pool.idle(worker)
        if upstream is not None:
            try:
                return await self._answered(upstream, worker, request, wants_done=wants_done)
            except Stale:
                pass
        upstream = await pool.fresh(worker)
        return await self._answered(upstream, worker, request, wants_done=wants_done)

    async def _answered(
        self, upstream: Upstream, worker: RoutableWorker, request: bytes, *, wants_done: bool
    ) -> Upstream:
        try:
            upstream.send(request)
            upstream.wants_done = wants_done
            await self._first_byte(upstream)
            if upstream.length is not None and upstream.length <= BUFFERED_BYTES_MAX:
                await upstream.whole()  # until then another worker can still take it, unseen
        except BaseException:
            upstream.abort()
            self._plane.pool.give_back(upstream, worker)
            raise
        return upstream


async def _told_first_byte(upstream: Upstream, on_wait: OnWait) -> None:
    """Wait for the first byte; a long prompt is told of, so that proxies see life."""
    waited_s = 0.0
    while True:
        try:
            async with asyncio.timeout(TELL_AFTER_S):
                await upstream.first_byte()
        except TimeoutError:
            waited_s += TELL_AFTER_S
            await on_wait(
                Waiting(position=0, waited_s=waited_s, reason="the worker reads the prompt")
            )
        else:
            return


def _is_assembled(call: Call, worker: RoutableWorker) -> bool:
    """Whether a client that does not stream gets an answer put together from a stream."""
    return not call.stream and not worker.unary_cancel and call.path in ASSEMBLED_PATHS
