"""The colony at a glance: what a ``status`` job of the queen says, as values."""

from collections.abc import Sequence

import msgspec

from rbee.client.queen import QueenClient
from rbee.contracts.jobs import JobEvent, Status
from rbee.contracts.status import HiveRow, WorkerRow
from rbee.errors import RemoteError
from rbee.keeper.units import count_text


class Glance(msgspec.Struct, kw_only=True):
    """All hives and workers that the queen knows."""

    hives: list[HiveRow]
    workers: list[WorkerRow]

    @property
    def fresh_hives(self) -> list[HiveRow]:
        """The hives whose beats come in time."""
        return [hive for hive in self.hives if hive.state == "fresh"]


async def ask_glance(client: QueenClient) -> Glance:
    """Ask the queen.

    Raises:
        RbeeError: she refused, or does not answer.
    """
    return read_glance(await client.jobs.collect(Status()))


def read_glance(events: Sequence[JobEvent]) -> Glance:
    """Read the events of a ``status`` job.

    Raises:
        RemoteError: the queen's data has another shape (another version).
    """
    found = {event.action: event.data for event in events}
    try:
        return Glance(
            hives=msgspec.convert(found.get("status_hives", []), list[HiveRow]),
            workers=msgspec.convert(found.get("status_workers", []), list[WorkerRow]),
        )
    except msgspec.ValidationError as error:
        raise RemoteError(
            f"The queen's status has an unexpected shape: {error}.",
            remedy="Are both of the same version? `rbee doctor` says.",
        ) from None


def glance_text(glance: Glance) -> str:
    """One line for ``rbee up``: hives that are up, workers by status."""
    parts = [f"{len(glance.fresh_hives)} of {count_text(len(glance.hives), 'hive')} up"]
    parts += [f"{row.worker.model} {row.worker.status}" for row in glance.workers]
    return " · ".join(parts if glance.workers else [*parts, "no workers yet"])
