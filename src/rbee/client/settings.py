"""The queen's settings over HTTP, and a hive's through her: seen and changed by an operator."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from rbee.client.transport import Transport
from rbee.contracts.settings import SettingsChange, SettingsChanged, SettingsState

_PATH: Final = "/v1/settings"


class SettingsClient:
    """``/v1/settings`` of one queen; the transport is its owner's to close."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def state(self, hive_id: str | None = None) -> SettingsState:
        """All settings of hers, or of one of her hives.

        Raises:
            RbeeError: as the queen says, or she does not answer.
        """
        path = _PATH if hive_id is None else f"/v1/hives/{quote(hive_id, safe='')}/settings"
        return await self._transport.ask("GET", path, SettingsState)

    async def change(
        self, set_: Mapping[str, Any], unset: Sequence[str] = (), *, revision: str | None = None
    ) -> SettingsChanged:
        """Change some of hers: all of it, or nothing.

        Raises:
            InvalidRequest: a value cannot be so; says which and why.
            Conflict: the file is no longer the one of ``revision``.
            RbeeError: as ``state``.
        """
        wish = SettingsChange(set=dict(set_), unset=list(unset), revision=revision)
        return await self._transport.ask("PATCH", _PATH, SettingsChanged, body=wish)
