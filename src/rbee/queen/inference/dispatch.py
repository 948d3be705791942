"""From a call to its answer: admit, open the worker, try another before the first byte.

Every inference comes through here, whichever door it came in by: the OpenAI
door pours the answer, the ``infer`` operation reads it. Until the first byte of
the worker's body nobody has seen anything, so a worker that refuses or dies is
replaced by the next one and the client sees only success. After it, an answer is
continued (``Legs``).
"""

import asyncio
import contextlib
from types import TracebackType
from typing import Final

from rbee.errors import ContextExceeded, RbeeError, WorkerFailed
from rbee.foundation import logs
from rbee.queen.inference.admission import Admission, Grant
from rbee.queen.inference.answer import Answer, Ending, Leg
from rbee.queen.inference.assemble import STREAMING_PATHS, as_streaming
from rbee.queen.inference.call import Call
from rbee.queen.inference.continuation import (
    CONTINUATIONS_MAX,
    Ended,
    Question,
    Transcript,
    resume,
    unsafe,
)
from rbee.queen.inference.ledger import Ledger
from rbee.queen.inference.outcome import outcome
from rbee.queen.inference.pool import Pool
from rbee.queen.inference.refusals import refusal
from rbee.queen.inference.retries import RetryBudget
from rbee.queen.inference.upstream import BUFFERED_BYTES_MAX, Stale, Upstream, WorkerGone
from rbee.queen.inference.waiting import OnWait, Waiting
from rbee.queen.registry.colony import Colony
from rbee.queen.registry.workers import RoutableWorker
from rbee.queen.tally import Tally

ATTEMPTS_MAX: Final = 3  # a third dead worker in a row is no accident of one process
LOADING_PAUSE_S: Final = 0.2  # a worker that says 503 is between its start and its first token
TELL_AFTER_S: Final = 3.0  # wire.md: who streams and has waited this long is told why
QUESTION_S: Final = 10.0  # a tokenizer answers in milliseconds, behind a long prompt in seconds

_STATUS_OK: Final = 200
_STATUS_LOADING: Final = 503

_log = logs.get(__name__)


class Dispatcher:
    """The data plane's front: give it calls, get answers."""

    def __init__(
        self,
        colony: Colony,
        admission: Admission,
        pool: Pool,
        *,
        ledger: Ledger | None = None,
        tally: Tally | None = None,
    ) -> None:
        self.ledger = ledger or Ledger()
        self.tally = tally or Tally()
        self.colony = colony
        self.admission = admission
        self.pool = pool
        self.budget = RetryBudget()

    def answer(
        self, call: Call, on_wait: OnWait | None = None, *, said: Transcript | None = None
    ) -> "Answering":
        """The answer to a call, as an async context; leaving it stops the worker's work.

        ``on_wait`` is awaited about once a second while the request is queued, and
        every few seconds while its worker reads the prompt. ``said`` is what the
        client was sent in an earlier life of the queen: the answer goes on after it.

        Raises:
            RbeeError: as ``Admission.admit``; WorkerFailed after ``ATTEMPTS_MAX``.
        """
        return Answering(self, call, on_wait, said)

    async def drain(self, limit_s: float) -> None:
        """Admit nobody any more; return when the running answers ended, or at the limit."""
        self.admission.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.admission.idle.wait(), limit_s)

    def bury(self, call: Call, worker: RoutableWorker) -> None:
        """Take a worker out of routing until its hive reports a newer process."""
        _log.warning("worker gone", job=call.job_id, worker=worker.worker_id)
        self.colony.mark_dead(worker.worker_id, worker.generation)


class Answering:
    """One call on its way: the block of ``Dispatcher.answer``, and its legs."""

    __slots__ = (
        "_answer",
        "_attempts",
        "_call",
        "_continuations",
        "_dispatcher",
        "_on_wait",
        "_said",
        "_waited",
    )

    def __init__(
        self, dispatcher: Dispatcher, call: Call, on_wait: OnWait | None, said: Transcript | None
    ) -> None:
        self._dispatcher = dispatcher
        self._call = call
        self._on_wait = on_wait
        self._said = said
        self._answer: Answer | None = None
        self._attempts = 0
        self._continuations = 0
        self._waited = 0.0

    async def __aenter__(self) -> Answer:
        """Find a worker and wait for its first byte."""
        try:
            return await self._begin()
        except BaseException as error:
            self._dispatcher.ledger.ended(self._call.job_id, outcome(None, error))
            raise

    async def _begin(self) -> Answer:
        call = self._call
        self._dispatcher.budget.earn()
        if self._said is not None and not self._said.blank:
            leg: Leg | Ending = await self._goes_on(self._said)
            assembled = not call.stream
        else:
            leg = await self._open(call.body)
            assembled = _is_assembled(call, leg.grant.worker)
        may_go_on = call.path in STREAMING_PATHS and (call.stream or assembled)
        self._answer = Answer(
            leg,
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
        if self._answer is None:
            return
        leg = self._answer.leg
        self._dispatcher.ledger.ended(self._call.job_id, outcome(leg, value))
        if isinstance(leg, Leg):
            self.over(leg)

    # ── legs ──────────────────────────────────────────────────────────────────

    def over(self, leg: Leg) -> None:
        """Nothing more is wanted of this leg: its slot and its connection go back."""
        worker, upstream = leg.grant.worker, leg.upstream
        if upstream.gone:
            self._dispatcher.bury(self._call, worker)
        self._dispatcher.admission.router.ended(
            worker.worker_id,
            worker.model,
            first_byte_s=upstream.first_byte_s,
            whole_s=upstream.whole_s,
            ok=not upstream.failed,
        )
        self._dispatcher.pool.give_back(upstream, worker)
        leg.grant.release(served=upstream.whole_s is not None)

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
            self._dispatcher.ledger.lost(self._call.job_id, broken.worker_id, error.message)
        try:
            leg = await self._following(said, error)
        except RbeeError:
            self._dispatcher.tally.continued(model, ok=False)
            raise
        self._dispatcher.tally.continued(model, ok=True)
        return leg

    async def _following(self, said: Transcript, error: RbeeError) -> Leg | Ending:
        call = self._call
        if self._continuations >= CONTINUATIONS_MAX:
            raise WorkerFailed(f"{error.message} It was the answer's fourth worker.") from None
        self._continuations += 1
        if (reason := unsafe(call.path, call.body, said)) is not None:
            if not call.stream:  # its client has seen nothing yet
                _log.info("beginning anew", job=call.job_id, reason=error.message)
                return await self._open(as_streaming(call.body), continuing=True)
            raise WorkerFailed(
                f"{error.message} The answer cannot go on elsewhere: {reason}."
            ) from None
        _log.info("continuing", job=call.job_id, reason=error.message)
        return await self._goes_on(said)

    async def _goes_on(self, said: Transcript) -> Leg | Ending:
        """Ask what has to be asked of a worker that is left, then begin the next leg there."""
        call = self._call
        body = call.body if call.stream else as_streaming(call.body)
        plan = resume(call.path, body, said)
        grant: Grant | None = None
        try:
            question = next(plan)
            while True:
                grant, reply = await self._asked(grant, question)
                question = plan.send(reply)
        except StopIteration as stop:
            found = stop.value
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
                self._lost(grant.worker)
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
        pool = self._dispatcher.pool
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
        call, admission = self._call, self._dispatcher.admission
        grant = admission.try_admit(call)
        if grant is None:
            grant = await admission.wait(call, self._tell_waiting, again=again)
            self._waited += grant.waited_s
        self._attempts += 1
        self._dispatcher.tally.routed(grant.choice.policy)
        self._dispatcher.ledger.admitted(
            call.job_id, call.model, grant.choice, grant.waited_s, self._attempts
        )
        return grant

    async def _tell_waiting(self, waiting: Waiting) -> None:
        """Keep why it waits, and tell the client."""
        self._dispatcher.ledger.waiting(self._call.job_id, self._call.model, waiting.reason)
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
                self._lost(grant.worker)
                grant = None
                if attempt == ATTEMPTS_MAX or not (continuing or self._dispatcher.budget.spend()):
                    raise
                continue
            except BaseException:
                grant.release(served=False)
                raise
            if upstream.status == _STATUS_LOADING and attempt < ATTEMPTS_MAX:
                self._dispatcher.pool.give_back(upstream, grant.worker)
                grant.release(served=False)
                grant = None
                await asyncio.sleep(LOADING_PAUSE_S)
                continue
            return Leg(grant, upstream)
        raise WorkerFailed("No worker answered.")

    def _lost(self, worker: RoutableWorker) -> None:
        """This worker refused, or died before its first byte."""
        self._dispatcher.tally.retried(worker.model)
        self._dispatcher.ledger.lost(
            self._call.job_id, worker.worker_id, "it refused, or died before its first byte"
        )
        self._dispatcher.bury(self._call, worker)
        self._dispatcher.admission.router.ended(
            worker.worker_id, worker.model, first_byte_s=None, whole_s=None, ok=False
        )

    async def _begun(self, worker: RoutableWorker, body: bytes, *, streamed: bool) -> Upstream:
        """Send the request; return when the answer's first byte is here.

        A kept connection that turns out to be closed is no sign of a dead worker: the
        request goes over a fresh one, once.
        """
        call, pool = self._call, self._dispatcher.pool
        assembled = _is_assembled(call, worker)
        if assembled and not streamed:
            body = as_streaming(body)
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
            if self._on_wait is None:
                await upstream.first_byte()
            else:
                await _told_first_byte(upstream, self._on_wait)
            if upstream.length is not None and upstream.length <= BUFFERED_BYTES_MAX:
                await upstream.whole()  # until then another worker can still take it, unseen
        except BaseException:
            upstream.abort()
            self._dispatcher.pool.give_back(upstream, worker)
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
    return not call.stream and not worker.unary_cancel and call.path in STREAMING_PATHS
