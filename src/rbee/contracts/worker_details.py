"""All of one worker: what beats say of it, and how it came to be so."""

from rbee.contracts.jobs import WorkerSpawn
from rbee.contracts.workers import WorkerStats


class WorkerDetails(WorkerStats, kw_only=True):
    """The answer to ``worker_process_get``.

    ``asked`` is the operation that the worker was made by, so that another one can be
    made like it; ``fit`` says why its model lies where it lies, in numbers. Both are
    null for workers of an earlier version.
    """

    asked: WorkerSpawn | None = None
    fit: str | None = None
