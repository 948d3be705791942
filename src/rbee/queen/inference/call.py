"""One inference request, as the data plane sees it.

The doors (``api/openai``, the ``infer`` operation) make a ``Call``; admission,
routing and the relay read it and never change it. The body is the client's own
bytes: nobody below decodes it to forward it.
"""

import secrets

import msgspec

from rbee.contracts.principals import LOCAL, Principal
from rbee.contracts.workers import Task

EMBEDDINGS_PATH = "/v1/embeddings"
CHAT_PATH = "/v1/chat/completions"
COMPLETION_PATH = "/v1/completions"


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked, by whom, and what was wished of routing.

    ``model`` is the name that the client used. ``path`` is the worker's, ``body``
    its JSON bytes. ``hive_id`` is a wish (another hive serves when that one
    cannot), ``worker_id`` an order. ``priority`` is higher for the more urgent and
    0 for most; ``session`` keeps a conversation on one worker where the policy
    says so. ``deadline_s`` counts from the call's arrival.
    """

    job_id: str
    model: str
    path: str
    body: bytes
    stream: bool
    request_id: str = ""
    task: Task = "generate"
    principal: Principal = LOCAL
    hive_id: str | None = None
    worker_id: str | None = None
    session: str | None = None
    priority: int = 0
    labels: frozenset[str] = frozenset()
    deadline_s: float | None = None


class JobIds:
    """Ids for calls: unique over restarts by a random start, cheap by counting on.

    They are names, not secrets: every route that takes one wants the key.
    """

    __slots__ = ("_life", "_next")

    def __init__(self) -> None:
        self._life = secrets.token_hex(4)
        self._next = 0

    def take(self) -> str:
        """The next id."""
        self._next += 1
        return f"job-{self._life}{self._next:08x}"
