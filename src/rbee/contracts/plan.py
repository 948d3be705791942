"""What a request for a model would lead to: ``GET /v1/plan?model=…[&hive_id=…]`` (queen).

Nothing is done by asking. Unknown is null, never 0 and never a guess: sizes in bytes,
times in seconds.
"""

from typing import Literal

import msgspec

PlanOutcome = Literal["serving", "coming", "spawn", "evict", "wait", "refuse"]
"""A worker serves it; one comes; one would be started; others would go first; it would
wait for what is loaded; it would be refused."""

LoadSource = Literal["measured", "measured_elsewhere", "estimated"]
"""By this hive's own loads of the model, by other hives', or by its loads of other models."""


class PlanEviction(msgspec.Struct, kw_only=True):
    """A worker that would go. ``in_use``: it would end what it is at first."""

    worker_id: str
    model: str
    hive_id: str
    size_bytes: int
    idle_s: float
    load_s: float | None = None
    in_use: bool = False


class PlanOption(msgspec.Struct, kw_only=True):
    """One device of a hive (or a whole hive, with ``device`` null), and what it could do.

    ``able``: a worker could be started there now. ``reason`` says why, or why not.
    ``download_bytes`` is 0 when the model is on its disk.
    """

    hive_id: str
    device: str | None
    able: bool
    chosen: bool
    reason: str
    download_bytes: int | None = None
    needed_bytes: int | None = None
    free_bytes: int | None = None
    load_s: float | None = None
    load_source: LoadSource | None = None


class Plan(msgspec.Struct, kw_only=True):
    """The plan. ``message`` says it in a sentence.

    ``ready_in_s`` is when a worker would take the request, null where a download,
    a running answer or a load that nobody measured decides; ``code`` and ``remedy``
    are those of the error when it would be refused. ``workers`` serve it now.
    """

    model: str
    outcome: PlanOutcome
    message: str
    hive_id: str | None = None
    device: str | None = None
    why: list[str] = msgspec.field(default_factory=list[str])
    ready_in_s: float | None = None
    ready_source: LoadSource | None = None
    download_bytes: int | None = None
    evict: list[PlanEviction] = msgspec.field(default_factory=list[PlanEviction])
    options: list[PlanOption] = msgspec.field(default_factory=list[PlanOption])
    workers: list[str] = msgspec.field(default_factory=list[str])
    code: str | None = None
    remedy: str | None = None
