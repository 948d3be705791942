"""Run operations on a job server, and read their events to the end.

A job belongs to its server: losing the connection loses nothing, so ``events``
reconnects with ``Last-Event-ID`` and goes on where it was, also with a queen that
was restarted. A failed job raises the error that it failed with; leaving ``run``
early cancels the job.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from typing import Final, TypeAlias

import anyio
import httpx2
import msgspec

from rbee.client.transport import Transport, error_from_event
from rbee.contracts.jobs import (
    DONE,
    JobAccepted,
    JobCancelled,
    JobEvent,
    JobList,
    JobRecord,
    Operation,
)
from rbee.errors import CapacityError, RbeeError, RemoteError, StorageError
from rbee.foundation.sse import EventReader, ServerEvent

RECONNECT_FOR_S: Final = 30.0  # longer than a daemon's restart, shorter than a person's patience
_RECONNECT_FIRST_S: Final = 0.1  # most cuts are a server that restarts: be back at once
_RECONNECT_MAX_S: Final = 2.0  # a restarted queen is found again before people wonder
_CANCEL_S: Final = 3.0  # a leaving client waits no longer than this to say so
_NO_CONTENT: Final = 204

OnCut: TypeAlias = Callable[[RbeeError], None]
"""Hears once of every outage, when it begins: the stream broke and is asked for again."""

_ERROR_MARK = "[ERROR]"
_CANCELLED_MARK = "[CANCELLED]"


class JobClient:
    """The job server behind a transport."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def submit(self, operation: Operation) -> JobAccepted:
        """Start a job.

        Raises:
            RbeeError: the server refused, or does not answer.
        """
        return await self._transport.ask("POST", "/v1/jobs", JobAccepted, body=operation)

    async def state(self, job_id: str) -> JobRecord:
        """A job's state.

        Raises:
            JobNotFound: unknown, or its log has expired.
        """
        return await self._transport.ask("GET", f"/v1/jobs/{job_id}", JobRecord)

    async def listing(self) -> list[JobRecord]:
        """All jobs of the server, newest first."""
        return (await self._transport.ask("GET", "/v1/jobs", JobList)).jobs

    async def cancel(self, job_id: str) -> JobCancelled:
        """Cancel a job.

        Raises:
            JobNotFound: no such job.
            Conflict: it has completed or failed already.
        """
        return await self._transport.ask("DELETE", f"/v1/jobs/{job_id}", JobCancelled)

    async def events(
        self, job_id: str, after: int = 0, *, on_cut: OnCut | None = None
    ) -> AsyncGenerator[JobEvent]:
        """A job's events with an id greater than ``after``, until it has ended.

        A cancelled job's last event has the action ``cancelled``. Reconnects by
        itself for up to 30 s without progress, and tells ``on_cut`` when it begins.

        Raises:
            RbeeError: the error that the job failed with, or that the server
                cannot be reached any more.
        """
        give_up_at: float | None = None
        pause_s = _RECONNECT_FIRST_S
        while True:
            cut: RbeeError = RemoteError("The stream ended before the job did.")
            try:
                async with aclosing(self._once(job_id, after)) as messages:
                    async for message in messages:
                        event = _job_event(message, job_id)
                        if event is None:
                            return
                        if event.seq and event.seq <= after:
                            continue
                        after = max(after, event.seq)
                        give_up_at, pause_s = None, _RECONNECT_FIRST_S
                        yield event
            except _Cut as error:
                cut = error.error
            now = anyio.current_time()
            if give_up_at is None:
                give_up_at = now + RECONNECT_FOR_S
                if on_cut is not None:
                    on_cut(cut)
            elif now >= give_up_at:
                raise cut
            await anyio.sleep(pause_s)
            pause_s = min(pause_s * 2, _RECONNECT_MAX_S)

    async def run(
        self, operation: Operation, *, on_cut: OnCut | None = None
    ) -> AsyncGenerator[JobEvent]:
        """Submit, then all events. Wrap it in ``contextlib.aclosing`` if you may leave early.

        A caller that is cancelled or leaves before the end cancels the job.

        Raises:
            RbeeError: as ``submit`` and ``events``.
        """
        job_id = (await self.submit(operation)).job_id
        over = False
        try:
            async with aclosing(self.events(job_id, on_cut=on_cut)) as found:
                async for event in found:
                    yield event
            over = True
        except RbeeError:
            over = True  # the job has failed, or nobody is there to be told
            raise
        finally:
            if not over:
                with anyio.move_on_after(_CANCEL_S, shield=True), suppress(RbeeError):
                    await self.cancel(job_id)

    async def collect(self, operation: Operation) -> list[JobEvent]:
        """Run an operation to its end and give all its events.

        Raises:
            RbeeError: as ``run``.
        """
        async with aclosing(self.run(operation)) as found:
            return [event async for event in found]

    async def _once(self, job_id: str, after: int) -> AsyncGenerator[ServerEvent]:
        """One connection's worth of messages.

        Raises:
            _Cut: the connection broke, or the server cannot be reached for now.
            RbeeError: the server refused for good.
        """
        path = f"/v1/jobs/{job_id}/stream"
        headers = {"last-event-id": str(after)} if after else {}
        reader = EventReader()
        try:
            async with self._transport.stream("GET", path, headers=headers) as response:
                if response.status_code == _NO_CONTENT:
                    yield ServerEvent(data=DONE)
                    return
                async for chunk in response.aiter_raw():
                    for message in reader.feed(chunk):
                        yield message
        except httpx2.HTTPError as error:
            raise _Cut(self._transport.failure(error)) from None
        except (RemoteError, CapacityError, StorageError) as error:
            raise _Cut(error) from None
        except ValueError as error:  # EventReader: an event without an end
            raise RbeeError(f"The stream of {job_id} is not a job's: {error}.") from None


class _Cut(Exception):
    """The connection broke in between; the job may well go on."""

    def __init__(self, error: RbeeError) -> None:
        super().__init__(str(error))
        self.error = error


def _job_event(message: ServerEvent, job_id: str) -> JobEvent | None:
    """One SSE message as an event; None for ``[DONE]``.

    Raises:
        RbeeError: the message says that the job failed.
    """
    text = message.data
    if text == DONE:
        return None
    seq = int(message.id) if message.id and message.id.isdigit() else 0
    if text.startswith(_ERROR_MARK):
        raise error_from_event(text.removeprefix(_ERROR_MARK).strip(), None)
    if text.startswith(_CANCELLED_MARK):
        why = text.removeprefix(_CANCELLED_MARK).strip() or "The job was cancelled."
        return JobEvent(
            action="cancelled",
            message=why,
            type="narration",
            job_id=job_id,
            seq=seq,
            ts=0.0,
            actor="",
        )
    try:
        event = msgspec.json.decode(text, type=JobEvent)
    except msgspec.MsgspecError as error:
        raise RemoteError(f"The stream of {job_id} holds no job event: {error}.") from None
    if event.action == "error":
        raise error_from_event(event.message, event.data)
    return event
