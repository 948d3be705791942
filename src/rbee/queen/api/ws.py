"""``GET /v1/ws`` (**S**): the live streams again, as a WebSocket, for who prefers one.

Without a query it mirrors ``/v1/heartbeats/stream``: each text message is what is ``data``
there. ``?stream=state`` mirrors ``/v1/state/stream``: each message has an ``id`` beside its
``type``, and ``&last_event_id=`` goes on after one. It only speaks: what a client says is
refused, except for closing and pinging. The gate decides before the handshake, as it does
for the streams; a slow client stops the writing, and is treated as it is there. It ends when
its key is revoked, and after an hour, so that the key is looked at again.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final
from urllib.parse import parse_qs

import anyio
import msgspec

from rbee.contracts.principals import Principal
from rbee.errors import InvalidRequest, RbeeError
from rbee.foundation.http.gate import Policy, admit
from rbee.foundation.http.upgrade import Upgrade
from rbee.foundation.mux import websocket
from rbee.foundation.mux.websocket import BadMessage, Reader
from rbee.queen.api.state import audience_of
from rbee.queen.state.publisher import STREAM_S_MAX, Publisher, Watcher
from rbee.queen.telemetry import BEHIND, Telemetry

PATH: Final = b"/v1/ws"
CLOSE_S: Final = 1.0  # what is in the buffers after a close frame may leave for so long
UNREAD_S: Final = 60.0  # as for streams: who takes nothing for so long will not take the rest

_HEARD_BYTES_MAX: Final = 1024  # clients have nothing to say here
_STREAMS: Final = ("heartbeats", "state")
_ONLY_SPEAKS: Final = "this stream only speaks"
_REVOKED: Final = "the key counts no longer"
_AGAIN: Final = f"connect again (you were {BEHIND}, or an hour is over)"

_Messages = AsyncGenerator[bytes | None]


class MirrorDoor:
    """Takes upgrades; see the module."""

    def __init__(self, telemetry: Telemetry, publisher: Publisher, policy: Policy) -> None:
        self._telemetry = telemetry
        self._publisher = publisher
        self._policy = policy

    def __call__(self, upgrade: Upgrade) -> None:
        """A request to upgrade came on ``PATH``."""
        try:
            headers = dict(upgrade.headers)
            who = admit(self._policy, PATH.decode(), headers, "GET", peer=upgrade.peer)
            messages = self._messages(upgrade.query, who)
        except RbeeError as error:
            upgrade.refuse(error)
            return
        if upgrade.accept():
            _Mirror(upgrade, messages, self._policy.keyring.gone(who)).begin()

    def _messages(self, query: bytes, who: Principal) -> _Messages:
        asked = parse_qs(query.decode("latin-1"))
        stream = asked.get("stream", ["heartbeats"])[0]
        if stream not in _STREAMS:
            raise InvalidRequest(
                f"There is no stream {stream[:32]!r}; there are {' and '.join(_STREAMS)}.",
                param="stream",
            )
        if stream == "heartbeats":
            return self._telemetry.messages()
        self._publisher.check_room()
        until = anyio.current_time() + STREAM_S_MAX
        watcher = Watcher(who.id, gzip=False, until=until)
        last_id = asked.get("last_event_id", [None])[0]
        return _with_ids(self._publisher, watcher, who, last_id)


async def _with_ids(
    publisher: Publisher, watcher: Watcher, who: Principal, last_id: str | None
) -> _Messages:
    """Messages of the state stream; a WebSocket has no place for an id but the message itself."""
    async with aclosing(publisher.follow(audience_of(who), last_id, watcher)) as messages:
        async for message in messages:
            yield b'{"id":%b,%b' % (msgspec.json.encode(message.event_id), message.data[1:])


class _Mirror(asyncio.Protocol):
    """One client's WebSocket, from its handshake to its end; ``gone``: its key is revoked."""

    def __init__(self, upgrade: Upgrade, messages: _Messages, gone: asyncio.Event) -> None:
        self._transport = upgrade.transport
        self._connections: set[Any] = upgrade.connections
        self._messages = messages
        self._gone = gone
        self._reader = Reader(self._heard, self._control, masked=True, size_max=_HEARD_BYTES_MAX)
        self._open = True
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._tasks: list[asyncio.Task[None]] = []

    def begin(self) -> None:
        """Take the connection over, and speak."""
        self._connections.add(self)
        self._transport.set_protocol(self)
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._speak()), loop.create_task(self._watch_key())]

    async def _speak(self) -> None:
        try:
            async with asyncio.timeout(STREAM_S_MAX), aclosing(self._messages) as messages:
                async for message in messages:
                    if message is None:
                        self._write(websocket.PING, b"")
                    else:
                        self._write(websocket.TEXT, message)
                    await self._taken()
        except TimeoutError:
            pass  # the hour is over
        finally:
            self._end()

    async def _taken(self) -> None:
        """Wait until the client has room for more."""
        try:
            async with asyncio.timeout(UNREAD_S):
                await self._may_write.wait()
        except TimeoutError:
            self._transport.abort()

    async def _watch_key(self) -> None:
        await self._gone.wait()
        self._end()

    def _end(self) -> None:
        """Say why, and close."""
        if self._gone.is_set():
            self._close(websocket.POLICY, _REVOKED)
        else:
            self._close(websocket.GOING_AWAY, _AGAIN)

    # ── asyncio.Protocol ──────────────────────────────────────────────────────

    def data_received(self, data: bytes) -> None:
        """A client may close, and ping."""
        if self._open:
            try:
                self._reader.feed(data)
            except BadMessage as error:
                words = _ONLY_SPEAKS if error.code == websocket.UNSUPPORTED else error.reason
                self._close(error.code, words)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client left."""
        del exc
        self._open = False
        self._connections.discard(self)
        for task in self._tasks:
            task.cancel()

    def pause_writing(self) -> None:
        """The client is behind."""
        self._may_write.clear()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._may_write.set()

    def shutdown(self) -> None:
        """The server stops (uvicorn's word for it)."""
        self._close(websocket.GOING_AWAY, "the server stops")

    # ── inside ────────────────────────────────────────────────────────────────

    def _heard(self, _message: bytes) -> None:
        raise BadMessage(websocket.UNSUPPORTED, _ONLY_SPEAKS)

    def _control(self, opcode: int, payload: bytes) -> None:
        if opcode == websocket.PING:
            self._write(websocket.PONG, payload)
        elif opcode == websocket.CLOSE:
            self._close(websocket.NORMAL, "")

    def _write(self, opcode: int, payload: bytes) -> None:
        if self._open:
            self._transport.write(websocket.frame(opcode, payload))

    def _close(self, code: int, reason: str) -> None:
        if self._open:
            self._write(websocket.CLOSE, websocket.close_payload(code, reason))
            self._open = False
            self._transport.close()
            asyncio.get_running_loop().call_later(CLOSE_S, self._transport.abort)
