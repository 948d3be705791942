"""The queen as an operator's command reaches her, for installing hives; and what is told of it.

``rbee.remote.installing`` does the installing, here and in the queen herself. The keeper
asks her over HTTP, with this operator's key.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from rbee.client.join import secured
from rbee.client.joining import JoiningClient
from rbee.client.queen import QueenClient
from rbee.contracts.joining import JoinTokenWish
from rbee.foundation.addresses import is_loopback
from rbee.foundation.trust import key_for
from rbee.keeper.addresses import address_of
from rbee.keeper.glance import ask_glance
from rbee.remote.installing import Outcome, Seen
from rbee.remote.plan import Wanted

HIVE_ID_SETTING: Final = "RBEE_HIVE_HIVE_ID"


class AskedQueen:
    """``installing.QueenSide`` over HTTP; ``flag`` is ``--queen``."""

    def __init__(self, flag: str | None) -> None:
        self.url = address_of("queen", flag).url
        self.named = self.url if flag else None
        """Her address as the operator wrote it, for the other machine too."""

    async def version(self) -> str:
        """As ``QueenSide.version``."""
        async with self._client() as client:
            return (await client.info()).version

    async def wanted(self, url: str, settings: Mapping[str, str], *, dry_run: bool) -> Wanted:
        """On her own machine the hive gets the key, elsewhere a token for a certificate."""
        if is_loopback(urlsplit(url).hostname or ""):
            return Wanted(queen_url=url, settings=settings, key=key_for(self.url))
        token = "to be made"  # noqa: S105  of a dry run, which shows no token
        if not dry_run:
            named = settings.get(HIVE_ID_SETTING)
            async with self._client() as client:
                made = await JoiningClient(client.transport).new_token(
                    JoinTokenWish(hive_ids=[named] if named else [])
                )
            token = made.token
        return Wanted(queen_url=secured(url), settings=settings, token=token)

    async def hives(self) -> list[Seen]:
        """As ``QueenSide.hives``."""
        async with self._client() as client:
            rows = (await ask_glance(client)).hives
        return [
            Seen(
                hive_id=row.hive_id,
                fresh=row.state == "fresh",
                version=row.version,
                beat_age_s=row.beat_age_s,
            )
            for row in rows
        ]

    def _client(self) -> QueenClient:
        return QueenClient(self.url, key=key_for(self.url))


def installed_text(outcome: Outcome) -> str:
    """What was reached, in one sentence."""
    how = {"system": "a system service", "user": "a user's service", "process": "a process"}
    return (
        f"The hive {outcome.hive_id} on {outcome.host} is in the colony of {outcome.queen_url} "
        f"(version {outcome.version}, {how[outcome.keeper]})."
    )
