"""From a call to its answer: the data plane's front.

Every inference comes through here, whichever door it came in by: the OpenAI door
pours the answer, the ``infer`` operation reads it.
"""

import asyncio
import contextlib

from rbee.queen.inference.admission import Admission, Grant
from rbee.queen.inference.answer import Leg
from rbee.queen.inference.answering import Answering
from rbee.queen.inference.call import Call
from rbee.queen.inference.continuation import Transcript
from rbee.queen.inference.ledger import Ledger
from rbee.queen.inference.plane import Plane
from rbee.queen.inference.pool import Pool
from rbee.queen.inference.waiting import OnWait
from rbee.queen.registry.colony import Colony
from rbee.queen.tally import Tally


class Dispatcher:
    """Give it calls, get answers."""

    def __init__(
        self,
        colony: Colony,
        admission: Admission,
        pool: Pool,
        *,
        ledger: Ledger | None = None,
        tally: Tally | None = None,
    ) -> None:
        self.plane = Plane(colony, admission, pool, ledger=ledger, tally=tally)

    def answer(
        self,
        call: Call,
        on_wait: OnWait | None = None,
        *,
        said: Transcript | None = None,
        taken: Grant | Leg | None = None,
    ) -> Answering:
        """The answer to a call, as an async context; leaving it stops the worker's work.

        ``on_wait`` is awaited about once a second while the request is queued, and
        every few seconds while its worker reads the prompt. ``said`` is what the
        client was sent in an earlier life of the queen: the answer goes on after it.
        ``taken`` is a slot that this call was granted already, or a leg that has begun
        to answer it.

        Raises:
            RbeeError: as ``Admission.admit``; WorkerFailed after ``ATTEMPTS_MAX``.
        """
        return Answering(self.plane, call, on_wait, said=said, taken=taken)

    async def drain(self, limit_s: float) -> None:
        """Admit nobody any more; return when the running answers ended, or at the limit."""
        self.plane.admission.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.plane.admission.idle.wait(), limit_s)
