"""Which way to a hive: directly when it is reached, else through the queen.

Every ``rbee worker`` and ``rbee model`` command sends its operation through the
``Door`` that is found here. The rule (design.md): a hive that was named by
address is asked there; one that was named by id is asked through the queen;
this machine's own directly, and through the queen only when it does not answer.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import TypeAlias, TypeVar

import anyio
import msgspec

from rbee.client.hive import HiveClient
from rbee.client.jobs import JobClient
from rbee.contracts.ids import LOCAL_HIVE_NAMES
from rbee.contracts.jobs import HiveOperation, JobEvent, ModelCopy, ModelList
from rbee.contracts.models import DownloadProgress, Model
from rbee.errors import Conflict, HiveUnreachable, ModelNotFound, RbeeError, RemoteError
from rbee.foundation.trust import key_for
from rbee.keeper.addresses import address_of
from rbee.keeper.clients import queen_client
from rbee.keeper.close_names import with_close_names
from rbee.keeper.daemons import ask_info
from rbee.keeper.screen import Live, note
from rbee.keeper.steps import step_text

T = TypeVar("T")

Passed: TypeAlias = HiveOperation | ModelCopy
"""What goes through a door: a hive's operation, or what the queen does with two hives."""


class Door:
    """A job server that passes operations to the wanted hive."""

    def __init__(self, jobs: JobClient, hive_id: str | None) -> None:
        self._jobs = jobs
        self._hive_id = hive_id

    async def run(self, operation: Passed, live: Live, *, what: str = "") -> list[JobEvent]:
        """Run an operation to its end, showing its progress; gives all its events.

        A cancelled call cancels the job on the server.

        Raises:
            RbeeError: the error that the job failed with.
        """
        try:
            return await self._run(operation, live, what)
        except ModelNotFound as error:
            name = getattr(operation, "model", None)
            if not isinstance(name, str):
                raise
            raise with_close_names(error, name, await self._model_names()) from None

    async def _run(self, operation: Passed, live: Live, what: str) -> list[JobEvent]:
        wanted = msgspec.structs.replace(operation, hive_id=self._hive_id)
        events: list[JobEvent] = []
        async with aclosing(self._jobs.run(wanted)) as found:
            async for event in found:
                events.append(event)
                show_event(event, live, what=what)
        return events

    async def _model_names(self) -> list[str]:
        """All names of the hive's models, for a suggestion; none when it does not say."""
        try:
            events = await self._run(ModelList(), Live(quiet=True), "")
            models = data_of(events, "model_list_entry", Model)
        except RbeeError:
            return []
        return [name for model in models for name in (model.id, *model.aliases)]


@asynccontextmanager
async def hive_door(
    *, hive: str | None, hive_id: str | None, queen: str | None
) -> AsyncGenerator[Door]:
    """Find the way to the hive that the flags name.

    Raises:
        HiveUnreachable: neither the hive nor a queen that knows it answers.
        QueenUnreachable: a hive was named by id and the queen does not answer.
    """
    elsewhere = hive_id is not None and hive_id not in LOCAL_HIVE_NAMES
    if hive is None and (elsewhere or queen is not None):
        async with queen_client(queen) as client:
            yield Door(client.jobs, hive_id or "localhost")
        return
    address = address_of("hive", hive)
    async with HiveClient(address.url, key=key_for(address.url)) as direct:
        try:
            await ask_info("hive", address.url)
        except RbeeError as error:
            if address.named:
                raise
            refused = error.message.rstrip(".")
        else:
            yield Door(direct.jobs, hive_id)
            return
    async with queen_client(queen) as client:
        try:
            await client.health()
        except RbeeError:
            raise HiveUnreachable(
                f"No hive runs on this machine ({refused}), and no queen that could ask one.",
                remedy="`rbee up` starts both; `--hive URL` or `--hive-id ID --queen URL` "
                "name a hive elsewhere.",
            ) from None
        yield Door(client.jobs, "localhost")


def show_event(event: JobEvent, live: Live, *, what: str = "") -> None:
    """Show one event of a job on the moving line.

    Raises:
        Conflict: the job was cancelled by somebody else.
    """
    if event.action == "cancelled":
        raise Conflict(
            f"The job {event.job_id} was cancelled.",
            remedy="If that was not you, somebody else did it on the same server.",
        )
    progress = None
    if event.type == "progress" and event.data is not None:
        try:
            progress = msgspec.convert(event.data, DownloadProgress)
        except msgspec.ValidationError:
            progress = None  # progress of another kind: its message says it
    if progress is None:
        words = step_text(event)
        if words is not None:
            live.say(words)
    else:
        live.progress(what or "downloading", progress)


def data_of(events: list[JobEvent], action: str, type_: type[T]) -> list[T]:
    """``data`` of all events with this action.

    Raises:
        RemoteError: the server's data has another shape (another version).
    """
    try:
        return [msgspec.convert(event.data, type_) for event in events if event.action == action]
    except msgspec.ValidationError as error:
        raise RemoteError(
            f"The server's `{action}` has an unexpected shape: {error}.",
            remedy="Are both of the same version? `rbee doctor` says.",
        ) from None


class told_when_cancelled:  # noqa: N801  reads as the statement that it is
    """``with told_when_cancelled("..."):`` says so when Ctrl+C ends the block."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __enter__(self) -> None:
        """Nothing to do yet."""

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        """Tell, and let the cancellation go on."""
        if kind is not None and issubclass(kind, anyio.get_cancelled_exc_class()):
            note(self._text)
