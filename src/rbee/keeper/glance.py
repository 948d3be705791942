"""The colony at a glance: what a ``status`` job of the queen says, as values. Pure."""

from collections.abc import Sequence
from typing import Any, cast

import msgspec

from rbee.contracts.jobs import JobEvent
from rbee.errors import RemoteError


class HiveGlance(msgspec.Struct, kw_only=True):
    """One hive as the queen sees it. Unknown is null."""

    hive_id: str
    state: str | None = None
    url: str | None = None
    version: str | None = None
    workers: int | None = None


class WorkerGlance(msgspec.Struct, kw_only=True):
    """One worker as the queen sees it. Unknown is null."""

    worker_id: str
    model: str
    status: str
    hive_id: str | None = None
    device: str | None = None
    engine: str | None = None
    slots_total: int | None = None
    slots_busy: int | None = None
    tokens_per_s: float | None = None
    reason: str | None = None


class Glance(msgspec.Struct, kw_only=True):
    """All of it."""

    hives: list[HiveGlance]
    workers: list[WorkerGlance]


def read_glance(events: Sequence[JobEvent]) -> Glance:
    """Read the events of a ``status`` job.

    Raises:
        RemoteError: the queen's data has another shape (another version).
    """
    hives = [row for event in events if event.action == "status_hives" for row in _rows(event)]
    workers = [row for event in events if event.action == "status_workers" for row in _rows(event)]
    try:
        return Glance(
            hives=msgspec.convert(hives, list[HiveGlance]),
            workers=msgspec.convert(workers, list[WorkerGlance]),
        )
    except msgspec.ValidationError as error:
        raise RemoteError(
            f"The queen's status has an unexpected shape: {error}.",
            remedy="Are both of the same version? `rbee doctor` says.",
        ) from None


def glance_text(glance: Glance) -> str:
    """One line for ``rbee up``: hives that are up, workers by status."""
    up = sum(1 for hive in glance.hives if hive.state in {"fresh", "ready", "up"})
    parts = [f"{up} of {len(glance.hives)} hives up"]
    parts += [f"{worker.model} {worker.status}" for worker in glance.workers]
    return " · ".join(parts)


def _rows(event: JobEvent) -> list[dict[str, Any]]:
    data = event.data
    if isinstance(data, dict):
        found = cast("dict[str, Any]", data)
        data = found.get("hives", found.get("workers", []))
    return [
        cast("dict[str, Any]", row)
        for row in cast("list[Any]", data or [])
        if isinstance(row, dict)
    ]
