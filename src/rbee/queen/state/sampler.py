"""All tables at a moment, for operators and for readers.

It reads what others keep (the registry, the ledger, the job server, the office) and owns
nothing but the events. ``slow`` gives what changes at a moment and is told at once, ``full``
all of it, once a second. What readers may not see is left out of their tables here, and
nowhere else: waiting joiners, the operators' jobs, the names of keys.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple, Protocol

import msgspec

from rbee.contracts.jobs import JobRecord
from rbee.contracts.joining import JoinRequestRow
from rbee.contracts.state import (
    COLONY_ROW,
    OPERATORS_TABLES,
    ColonyRow,
    RequestRow,
    RequestState,
)
from rbee.queen.inference.ledger import Glance
from rbee.queen.state.events import Events
from rbee.queen.state.feed import Rows
from rbee.queen.state.rows import job_row, tenths, whole
from rbee.queen.state.sources import HiveSource, HiveTables

ENDED_REQUESTS: Final = 200  # a few screens of what has just been; `rbee why` knows 10,000
JOBS_SHOWN: Final = 200  # the newest: downloads and spawns of an afternoon
NOT_SHOWN: Final = frozenset(
    {"infer", "status", "worker_process_list", "worker_process_get", "model_list", "model_get"}
)
"""Jobs that are requests and stand there, and questions: `rbee status` asks one each time."""

_encode = msgspec.json.Encoder().encode


class ShownJob(Protocol):
    """What is read of a job."""

    operation: str
    owner: str
    said: str | None
    hive_id: str | None
    model: str | None

    def record(self) -> JobRecord:
        """Its state as the API shows it."""
        ...


class Herself(NamedTuple):
    """What never changes of the queen."""

    version: str
    boot: str
    hostname: str
    started_at: float


class Counts(NamedTuple):
    """What is counted elsewhere, at this moment. ``cpu_pct`` and ``rss_mb`` are the queen's."""

    waiting: int
    running: int
    requests_total: int
    requests_failed_total: int
    hives: int
    hives_available: int
    workers: int
    workers_available: int
    models: int
    cpu_pct: float | None
    rss_mb: float | None
    streams: int


class Parts(NamedTuple):
    """Where a sample comes from."""

    hives: HiveSource
    events: Events
    herself: Herself
    counts: Callable[[], Counts]
    glances: Callable[[int], list[Glance]]
    jobs: Callable[[], Iterable[ShownJob]]
    joins: Callable[[], Iterable[JoinRequestRow]]


class Sample(NamedTuple):
    """Tables for each audience; ``readers`` is None where nobody of them watches."""

    operators: dict[str, Rows]
    readers: dict[str, Rows] | None


class Sampler:
    """Makes samples. ``readers`` says whether theirs is wanted too."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._ended: dict[str, tuple[bytes, bytes]] = {}

    async def slow(self, now: float, at: float, *, readers: bool) -> Sample:
        """What is told at once; clocks as in ``HiveSource``."""
        hives = await self._parts.hives.slow(now, at)
        public_hives = await self._parts.hives.public_hives(now, at) if readers else None
        return self._sample(hives, public_hives)

    async def full(self, now: float, at: float, *, readers: bool) -> Sample:
        """All tables."""
        found = await self._parts.hives.full(now, at)
        public_hives = await self._parts.hives.public_hives(now, at) if readers else None
        sample = self._sample(found.tables, public_hives)
        joins = len(sample.operators["joins"])
        sample.operators["colony"] = self._colony(found, joins)
        if sample.readers is not None:
            sample.readers["colony"] = self._colony(found, None)
        return sample

    # ── inside ───────────────────────────────────────────────────────────────

    def _sample(self, hives: Mapping[str, Rows], public_hives: Rows | None) -> Sample:
        """``public_hives`` are those of readers; None: nobody of them watches."""
        parts = self._parts
        requests, public_requests = self._requests()
        tables: dict[str, Rows] = {
            **hives,
            "requests": requests,
            "joins": {row.code: _encode(row) for row in parts.joins()},
            "jobs": self._jobs(),
            "events": parts.events.rows,
        }
        if public_hives is None:
            return Sample(tables, None)
        public = {name: rows for name, rows in tables.items() if name not in OPERATORS_TABLES}
        public["hives"] = public_hives
        public["requests"] = public_requests
        public["events"] = parts.events.public
        return Sample(tables, public)

    def _requests(self) -> tuple[dict[str, bytes], dict[str, bytes]]:
        """For operators and for readers. What has ended is encoded once."""
        own: dict[str, bytes] = {}
        public: dict[str, bytes] = {}
        ended: dict[str, tuple[bytes, bytes]] = {}
        for glance in self._parts.glances(ENDED_REQUESTS):
            rows = self._ended.get(glance.job_id)
            if rows is None or glance.ended_at is None:
                row = request_row(glance)
                named = _encode(row)
                row.client = None
                rows = named, _encode(row)
            if glance.ended_at is not None:
                ended[glance.job_id] = rows
            own[glance.job_id], public[glance.job_id] = rows
        self._ended = ended
        return own, public

    def _jobs(self) -> dict[str, bytes]:
        rows: dict[str, bytes] = {}
        for job in self._parts.jobs():
            if job.operation in NOT_SHOWN:
                continue
            record = job.record()
            row = job_row(
                record,
                message=job.said,
                hive_id=job.hive_id,
                model=job.model,
                owner=job.owner or None,
            )
            rows[record.job_id] = _encode(row)
            if len(rows) >= JOBS_SHOWN:
                break
        return rows

    def _colony(self, found: HiveTables, joins: int | None) -> dict[str, bytes]:
        herself, counts = self._parts.herself, self._parts.counts()
        row = ColonyRow(
            version=herself.version,
            boot=herself.boot,
            hostname=herself.hostname,
            started_at=herself.started_at,
            hives=counts.hives,
            hives_available=counts.hives_available,
            workers=counts.workers,
            workers_available=counts.workers_available,
            gpus=found.gpus,
            models=counts.models,
            waiting=counts.waiting,
            running=counts.running,
            tokens_per_s=tenths(found.tokens_per_s),
            requests_total=counts.requests_total,
            requests_failed_total=counts.requests_failed_total,
            gpu_util_pct=tenths(found.gpu_util_pct),
            vram_used_mb=whole(found.vram_used_mb),
            vram_total_mb=whole(found.vram_total_mb),
            joins_waiting=joins,
            cpu_pct=tenths(counts.cpu_pct),
            rss_mb=whole(counts.rss_mb),
            streams=counts.streams,
        )
        return {COLONY_ROW: _encode(row)}


def request_row(glance: Glance) -> RequestRow:
    """A request as the ledger sees it, as a row."""
    return RequestRow(
        job_id=glance.job_id,
        model=glance.model,
        state=_state(glance),
        position=glance.position,
        eta_s=glance.eta_s,
        since=round(glance.since, 3),
        started_at=_rounded(glance.started_at),
        ended_at=_rounded(glance.ended_at),
        client=glance.client,
        priority=glance.priority,
        worker_id=glance.worker_id,
        hive_id=glance.hive_id,
        reason=glance.reason,
        door=glance.door,
    )


def _state(glance: Glance) -> RequestState:
    if glance.ended_at is None:
        return "waiting" if glance.waits else "running"
    outcome = glance.outcome or ""
    if outcome == "completed":
        return "completed"
    return "cancelled" if outcome.startswith("stopped") else "failed"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
