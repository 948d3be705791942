"""Why a request went where it went: ``GET /v1/jobs/{id}/why``. Unknown is null."""

from typing import Literal

import msgspec

WhyKind = Literal["waiting", "placed", "routed", "lost", "ended"]


class WhyCandidate(msgspec.Struct, kw_only=True):
    """A worker as it was when the decision was made.

    ``slots_in_use`` counts the requests that this queen had there, exactly; ``queued``
    and ``gpu_util_pct`` are of the last beat. ``score`` is what the policy compared
    (``WhyDecision.score_means``). ``note`` says why it was no candidate, if so. ``route`` is
    how the queen reached it then (``local``, ``direct``, ``tunnel``).
    """

    worker_id: str
    hive_id: str
    taken: bool
    slots_in_use: int
    slots_total: int | None
    score: float | None
    queued: int | None = None
    gpu_util_pct: float | None = None
    local: bool = False
    note: str | None = None
    route: str | None = None


class WhyDecision(msgspec.Struct, kw_only=True):
    """One choice of a worker.

    ``attempt`` counts from 1; each lost worker adds one. ``serving`` is how many
    workers served the model: all of them are ``candidates`` up to 16, else those
    that were compared.
    """

    attempt: int
    policy: str
    worker_id: str
    hive_id: str
    waited_s: float
    reason: str
    score_means: str
    serving: int
    candidates: list[WhyCandidate]


class WhyStep(msgspec.Struct, kw_only=True):
    """Something that happened to the request, ``at`` in Unix seconds."""

    at: float
    kind: WhyKind
    message: str
    decision: WhyDecision | None = None


class Why(msgspec.Struct, kw_only=True):
    """The request's way, oldest step first. ``outcome`` is null while it runs."""

    job_id: str
    model: str
    started_at: float
    ended_at: float | None
    outcome: str | None
    steps: list[WhyStep]
