"""What flows into the supervisor's loop: commands from operations, news from its tasks.

News carry the generation that they are about; news of an earlier process are
dropped. Nothing else changes the state of a worker.
"""

from typing import TypeAlias

import anyio
import msgspec

from rbee.contracts.ids import WorkerId
from rbee.contracts.jobs import WorkerSpawn
from rbee.errors import RbeeError
from rbee.hive.engines.engine import LaunchSpec, Reading
from rbee.hive.workers.adoption import Verdict
from rbee.hive.workers.launching import Running
from rbee.hive.workers.state import ExitFile, WorkerState
from rbee.hive.workers.vitals import Usage


class Reply:
    """Where the answer to a command arrives."""

    def __init__(self) -> None:
        self._there = anyio.Event()
        self._worker_id: WorkerId | None = None
        self._created = False
        self._error: RbeeError | None = None

    def give(self, worker_id: WorkerId, *, created: bool) -> None:
        """Answer with the worker; ``created`` is false for a repeated command."""
        self._worker_id, self._created = worker_id, created
        self._there.set()

    def refuse(self, error: RbeeError) -> None:
        """Answer with an error."""
        self._error = error
        self._there.set()

    async def wait(self) -> tuple[WorkerId, bool]:
        """The worker, and whether this command made it.

        Raises:
            RbeeError: what the command was refused with.
        """
        await self._there.wait()
        if self._error is not None or self._worker_id is None:
            raise self._error or RbeeError("The supervisor gave no answer.")
        return self._worker_id, self._created


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A worker that is wanted: by which operation, and why so (``fit``)."""

    spec: LaunchSpec
    manual: bool = True
    command_id: str | None = None
    asked: WorkerSpawn | None = None
    fit: str | None = None


class SpawnAsked(msgspec.Struct, frozen=True):
    """Make a worker."""

    order: Order
    reply: Reply


class StopAsked(msgspec.Struct, frozen=True):
    """End a worker; ``force`` skips the drain, ``again`` starts it anew afterwards."""

    worker_id: WorkerId
    force: bool
    again: bool = False


class Recovered(msgspec.Struct, frozen=True):
    """A worker of an earlier hive, and what becomes of it."""

    state: WorkerState
    key: str
    running: Running | None
    verdict: Verdict


class News(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a task of this generation saw."""

    worker_id: WorkerId
    generation: int


class Started(News, frozen=True, kw_only=True):
    """Its processes run."""

    running: Running


class NotStarted(News, frozen=True, kw_only=True):
    """They could not be started."""

    error: RbeeError


class Ended(News, frozen=True, kw_only=True):
    """Its engine has ended, or never began because the start was called off."""

    word: ExitFile


class Answered(News, frozen=True, kw_only=True):
    """It generated its first token."""

    reading: Reading


class TimedOut(News, frozen=True, kw_only=True):
    """It did not get ready in its time."""


class Looked(News, frozen=True, kw_only=True):
    """A look at a serving worker."""

    reading: Reading
    usage: Usage
    tokens_per_s: float | None


class Hung(News, frozen=True, kw_only=True):
    """It answers and makes nothing of its work; ``why`` says for how long."""

    why: str


class Drained(News, frozen=True, kw_only=True):
    """It has no request left, or was given all the time there is."""


class Stuck(News, frozen=True, kw_only=True):
    """Its process does not end, not even when killed."""


class Forgotten(News, frozen=True, kw_only=True):
    """Its end has been shown long enough."""


Message: TypeAlias = (
    SpawnAsked
    | StopAsked
    | Recovered
    | Started
    | NotStarted
    | Ended
    | Answered
    | TimedOut
    | Looked
    | Hung
    | Drained
    | Stuck
    | Forgotten
)
