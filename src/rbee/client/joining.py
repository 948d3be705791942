"""Operators' part of joining: tokens, hives that wait, members."""

from urllib.parse import quote

from rbee.client.transport import Transport
from rbee.contracts.joining import (
    JoinDecision,
    JoinRequests,
    JoinTokens,
    JoinTokenWish,
    MemberAck,
    Members,
    NewJoinToken,
)


class JoiningClient:
    """Over a transport to the queen that shows an operator's key. Raises RbeeError as she does."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def new_token(self, wish: JoinTokenWish) -> NewJoinToken:
        """A token for one hive; shown this once."""
        return await self._transport.ask("POST", "/v1/join-tokens", NewJoinToken, body=wish)

    async def tokens(self) -> JoinTokens:
        """The open ones."""
        return await self._transport.ask("GET", "/v1/join-tokens", JoinTokens)

    async def drop_token(self, token_id: str) -> MemberAck:
        """Take one back."""
        path = f"/v1/join-tokens/{quote(token_id, safe='')}"
        return await self._transport.ask("DELETE", path, MemberAck)

    async def requests(self) -> JoinRequests:
        """The hives that wait for approval."""
        return await self._transport.ask("GET", "/v1/join-requests", JoinRequests)

    async def decide(self, name: str, *, approve: bool, code: str | None = None) -> MemberAck:
        """Let a waiting hive in, or send it away; ``name`` is its id or its code."""
        verb = "approve" if approve else "reject"
        path = f"/v1/join-requests/{quote(name, safe='')}/{verb}"
        return await self._transport.ask("POST", path, MemberAck, body=JoinDecision(code=code))

    async def members(self) -> Members:
        """All hives, with or without a certificate."""
        return await self._transport.ask("GET", "/v1/hives", Members)

    async def revoke(self, hive_id: str) -> MemberAck:
        """Shut a hive out."""
        path = f"/v1/hives/{quote(hive_id, safe='')}/revoke"
        return await self._transport.ask("POST", path, MemberAck)
