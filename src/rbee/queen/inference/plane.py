"""The parts that every answer is made with, and the books that are kept of it.

Whichever way a request goes (``answering``, or the door's quick lane), its beginning
and its end are told here, once each: the slot, the connection, routing's measures, the
ledger behind ``why``, the counters behind ``/metrics``.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

from rbee.errors import JobNotFound, RbeeError
from rbee.foundation import logs
from rbee.queen.inference.admission import Admission, Grant
from rbee.queen.inference.answer import Leg
from rbee.queen.inference.call import Call
from rbee.queen.inference.ledger import Ledger
from rbee.queen.inference.pool import Pool
from rbee.queen.inference.retries import RetryBudget
from rbee.queen.inference.waiting import Waiting
from rbee.queen.registry.colony import Colony
from rbee.queen.registry.workers import RoutableWorker
from rbee.queen.tally import Tally

_WORKERS_FAULT: Final = frozenset({500, 502, 504})
"""Statuses that count against a worker; 501 and 503 say what it cannot do, or not yet."""

Stop: TypeAlias = Callable[[RbeeError], None]
"""Ends a request: its worker stops, and its client is told this error."""

_log = logs.get(__name__)


class Plane:
    """The data plane's parts; owned by the event loop."""

    def __init__(
        self,
        colony: Colony,
        admission: Admission,
        pool: Pool,
        *,
        ledger: Ledger | None = None,
        tally: Tally | None = None,
    ) -> None:
        self.colony = colony
        self.admission = admission
        self.pool = pool
        self.ledger = ledger or Ledger()
        self.tally = tally or Tally()
        self.budget = RetryBudget()
        self.stops: dict[str, Stop] = {}
        """How to end a request that is on its way, by its id; whoever carries it keeps its own."""

    def waits(self, call: Call, waiting: Waiting) -> None:
        """The call stands in line; said about once a second."""
        self.ledger.waiting(
            call.job_id,
            call.model,
            waiting.reason,
            position=waiting.position,
            eta_s=waiting.eta_s,
            call=call,
        )

    def granted(self, call: Call, grant: Grant, attempt: int) -> None:
        """The call got a worker; ``attempt`` counts from 1 over all of its workers."""
        self.tally.routed(grant.choice.policy)
        self.ledger.admitted(call.job_id, call.model, grant.choice, grant.waited_s, attempt, call)

    def stop(self, job_id: str, error: RbeeError) -> None:
        """End a request that waits or runs; its client is told ``error``.

        Raises:
            JobNotFound: it is over, or never was.
        """
        stop = self.stops.pop(job_id, None)
        if stop is None:
            raise JobNotFound(
                f"No request {job_id!r} waits or runs.",
                remedy="It may be over: `rbee requests list` shows those that are not.",
            )
        stop(error)

    def over(self, call: Call, leg: Leg) -> None:
        """Nothing more is wanted of this leg: its slot and its connection go back."""
        worker, upstream = leg.grant.worker, leg.upstream
        if upstream.gone:
            self._bury(call, worker)
        whole_s = upstream.whole_s
        self.admission.router.ended(
            worker.worker_id,
            worker.model,
            first_byte_s=upstream.first_byte_s,
            whole_s=whole_s,
            ok=not upstream.failed and upstream.status not in _WORKERS_FAULT,
        )
        self.pool.give_back(upstream, worker)
        leg.grant.release(served=whole_s is not None)

    def lost(self, call: Call, worker: RoutableWorker) -> None:
        """This worker refused, or died before its first byte."""
        self.tally.retried(worker.model)
        self.ledger.lost(call.job_id, worker.worker_id, "it refused, or died before its first byte")
        self._bury(call, worker)
        self.admission.router.ended(
            worker.worker_id, worker.model, first_byte_s=None, whole_s=None, ok=False
        )

    def _bury(self, call: Call, worker: RoutableWorker) -> None:
        """Take a worker out of routing until its hive reports a newer process."""
        _log.warning("worker gone", job=call.job_id, worker=worker.worker_id)
        self.colony.mark_dead(worker.worker_id, worker.generation)
