"""Going on with an answer whose worker died: pure, no socket and no clock in here.

``dispatch`` feeds a ``Transcript`` with what the client was sent. When the worker
dies it asks ``unsafe``, drives ``resume`` (which asks the next worker to count
tokens), sends that worker the ``Leg``'s body and pipes its events through the
leg's ``Stitcher``. What the client sees is one answer: nothing lost, nothing
doubled, one finish_reason, one ``[DONE]``.
"""

from rbee.queen.inference.continuation.asked import Asked, unsafe
from rbee.queen.inference.continuation.body import continued_body
from rbee.queen.inference.continuation.counted import Counted
from rbee.queen.inference.continuation.resume import (
    CannotGoOn,
    Ended,
    Leg,
    Question,
    Resume,
    resume,
)
from rbee.queen.inference.continuation.stitcher import Stitcher
from rbee.queen.inference.continuation.transcript import Transcript

CONTINUATIONS_MAX = 3
"""A request that outlived three workers probably kills them: the fourth is spared."""

__all__ = [
    "CONTINUATIONS_MAX",
    "Asked",
    "CannotGoOn",
    "Counted",
    "Ended",
    "Leg",
    "Question",
    "Resume",
    "Stitcher",
    "Transcript",
    "continued_body",
    "resume",
    "unsafe",
]
