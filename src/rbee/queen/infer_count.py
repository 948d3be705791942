"""An ``infer`` job in the queen's figures, like a request that came in by another door.

Its tokens come off its key's limit as well, at the answer's end.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import anyio

from rbee.errors import ClientGone, RbeeError
from rbee.queen.inference.answer import Answer
from rbee.queen.inference.call import Call
from rbee.queen.scheduling.rates import Rates, estimated_tokens
from rbee.queen.tally import Tally

ENDPOINT: Final = "infer"

_OK: Final = 200


class Counted:
    """What is counted at the end of the block; ``answer`` is set when there is one."""

    answer: Answer | None = None


@contextmanager
def counted(tally: Tally, call: Call, rates: Rates | None = None) -> Generator[Counted]:
    """Count one inference, however the block ends."""
    arrived = anyio.current_time()
    counting = Counted()
    status = ClientGone.status
    try:
        yield counting
        status = _OK
    except RbeeError as error:
        status = error.status
        tally.refused(error.code)
        raise
    finally:
        _count(tally, call, counting.answer, status, arrived)
        if rates is not None and counting.answer is not None:
            _debit(rates, call, counting.answer)


def _count(tally: Tally, call: Call, answer: Answer | None, status: int, arrived: float) -> None:
    whole_s = anyio.current_time() - arrived
    if answer is None or answer.worker is None:
        tally.answered(call.model, ENDPOINT, status, whole_s=whole_s)
        return
    model = answer.worker.model
    tally.answered(
        model,
        ENDPOINT,
        status,
        queue_s=answer.queue_s,
        first_s=answer.first_at - arrived,
        whole_s=whole_s,
        events=answer.events_sent,
    )
    if (usage := answer.usage) is not None:
        tally.tokens(model, ENDPOINT, usage.prompt, usage.completion)


def _debit(rates: Rates, call: Call, answer: Answer) -> None:
    if not call.principal.counts_tokens or answer.worker is None:
        return
    usage = answer.usage
    tokens = (
        usage.prompt + usage.completion
        if usage is not None
        else estimated_tokens(len(call.body), answer.events_sent, answer.bytes_read)
    )
    rates.debit(call.principal, tokens, anyio.current_time())
