"""A hive asks for a model: who has it, who fetches it, or that the hive itself shall.

``api/sharing`` has checked who asks. Holders are asked for their tickets here, a few at
once and not for long: one that does not answer now would not give the file either.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import anyio

from rbee.contracts.sharing import (
    ModelHolder,
    ModelSeek,
    ModelSources,
    ModelTicket,
    check_seek,
)
from rbee.errors import RbeeError
from rbee.foundation import logs
from rbee.queen.lines import HiveLines
from rbee.queen.registry.colony import Colony
from rbee.queen.registry.hives import HiveView
from rbee.queen.sharing.claims import Claim, Claims
from rbee.queen.sharing.holders import Holder, direct_url, find_holders, same_machine

TICKET_WITHIN_S: Final = 3.0  # a ticket is an HMAC: who takes longer is hung or cut off
HOLDERS_MAX: Final = 8  # nearer ones than these eight there are not

_log = logs.get(__name__)


class Seeking:
    """The queen's answers to ``ModelSeek``."""

    def __init__(self, colony: Colony, lines: HiveLines) -> None:
        self._colony = colony
        self._lines = lines
        self._claims = Claims()

    async def seek(self, asked: ModelSeek) -> ModelSources:
        """Where ``asked.hive_id`` gets the model.

        Raises:
            InvalidRequest: out of bounds. HiveNotFound: a hive that has not joined asks.
        """
        check_seek(asked)
        reader = self._colony.find_hive(asked.hive_id)
        now = anyio.current_time()
        if asked.ended is not None:
            arrived = asked.ended == "arrived"
            self._claims.end(_key(asked), asked.hive_id, now, arrived=arrived)
            return ModelSources(verdict="fetch")
        holders = find_holders(
            self._colony.resolve(asked.model) or asked.model,
            self._colony.hives(),
            reader,
            sha256=asked.sha256,
            from_hive=asked.from_hive,
            failed=asked.failed,
        )
        tickets = await self._tickets(holders[:HOLDERS_MAX], reader)
        if tickets:
            return _sources(holders, tickets, reader)
        if holders and holders[0].model.sha256 is None:
            fetching = str(holders[0].hive.id)  # it reads its file for the digest
            return ModelSources(verdict="wait", fetching=fetching)
        return self._turn(asked, now)

    def _turn(self, asked: ModelSeek, now: float) -> ModelSources:
        """Nobody has it: whose turn is it to fetch it?"""
        if not asked.claim:
            return ModelSources(verdict="fetch")
        mine = Claim(
            hive_id=asked.hive_id,
            ends_at=now,
            have_bytes=asked.have_bytes,
            size_bytes=asked.size_bytes,
        )
        other = self._claims.claim(_key(asked), mine, now)
        if other is None:
            return ModelSources(verdict="fetch")
        return ModelSources(
            verdict="wait",
            fetching=other.hive_id,
            have_bytes=other.have_bytes,
            size_bytes=other.size_bytes,
        )

    async def _tickets(self, holders: Sequence[Holder], reader: HiveView) -> dict[str, ModelTicket]:
        """What those holders gave, by their ids, that answered now."""
        tickets: dict[str, ModelTicket] = {}

        async def ask(holder: Holder) -> None:
            hive_id = str(holder.hive.id)
            line = self._lines.to(holder.hive.url, hive_id)
            try:
                tickets[hive_id] = await line.ticket(
                    holder.model.id, str(reader.id), timeout_s=TICKET_WITHIN_S
                )
            except RbeeError as error:
                _log.info("no ticket", hive=hive_id, reason=error.message)

        with anyio.move_on_after(TICKET_WITHIN_S):
            async with anyio.create_task_group() as asking:
                for holder in holders:
                    asking.start_soon(ask, holder)
        return tickets


def _sources(
    holders: Sequence[Holder], tickets: Mapping[str, ModelTicket], reader: HiveView
) -> ModelSources:
    """The holders that gave a ticket, in their order, with one and the same content."""
    given = [(one.hive, tickets[one.hive.id]) for one in holders if one.hive.id in tickets]
    first = given[0][1]
    return ModelSources(
        verdict="copy",
        model=first.model,
        file=first.file,
        size_bytes=first.size_bytes,
        holders=[
            ModelHolder(
                hive_id=str(hive.id),
                ticket=ticket.ticket,
                url=direct_url(hive, reader),
                same_machine=same_machine(hive, reader),
            )
            for hive, ticket in given
            if ticket.sha256 == first.sha256
        ],
    )


def _key(asked: ModelSeek) -> str:
    return asked.sha256 or asked.model.casefold()
