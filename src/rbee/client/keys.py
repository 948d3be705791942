"""The queen's API keys over HTTP: made, listed, revoked by an operator."""

from typing import Final
from urllib.parse import quote

from rbee.client.transport import Transport
from rbee.contracts.keys import ApiKey, KeyList, KeyMade, KeyRevoked, KeyWish

_PATH: Final = "/v1/keys"


class KeyClient:
    """``/v1/keys`` of one queen; the transport is its owner's to close."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def create(self, wish: KeyWish) -> KeyMade:
        """Make a key. Its text is in the answer and nowhere else, ever.

        Raises:
            RbeeError: as the queen says, or she does not answer.
        """
        return await self._transport.ask("POST", _PATH, KeyMade, body=wish)

    async def list(self) -> list[ApiKey]:
        """All keys, without their texts.

        Raises:
            RbeeError: as ``create``.
        """
        return (await self._transport.ask("GET", _PATH, KeyList)).keys

    async def revoke(self, key: str) -> KeyRevoked:
        """Have a key refused from now on; ``key`` is its id or its name.

        Raises:
            KeyNotFound: there is none.
            RbeeError: as ``create``.
        """
        path = f"{_PATH}/{quote(key, safe='')}"
        return await self._transport.ask("DELETE", path, KeyRevoked)
