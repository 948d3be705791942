"""One lane of the link, kept up: dials, joins its session, notices silence, dials again.

The session outlives its connections (``foundation.mux``): after a break the hive is back
within ``PAUSE_MAX_S`` on a LAN, and every stream goes on where it was. A connection that
says nothing for ``SILENT_S`` is not closed but doubted: a new one is dialled beside it,
and takes its place when the queen answers there; if the old one speaks first (she hung,
and hangs no more) the new attempt is dropped. Streams that waited for ``RESUME_S`` are
given up, as the queen does on her side.
"""

import asyncio
import contextlib
import random
import ssl
import uuid
from collections.abc import Callable
from typing import Final

import msgspec

from rbee.errors import LinkRefused, QueenUnreachable, RbeeError
from rbee.foundation import logs
from rbee.foundation.link.connection import Connection
from rbee.foundation.mux import frames, websocket
from rbee.foundation.mux.frames import ACK, BEAT, HELLO, PING, PONG, WANT_BULK, Hello, Lane
from rbee.foundation.mux.mux import Mux
from rbee.foundation.mux.stream import Owner, Stream
from rbee.hive.link.dial import dial

FIRST_PAUSE_MAX_S: Final = 0.5  # before the first attempt after a break
PAUSE_MAX_S: Final = 2.0
"""Between attempts: at most, drawn evenly, so that a restarted queen's hives come spread out."""
REFUSED_PAUSE_S: Final = (5.0, 10.0)  # a wrong key or a twin is cured by a person
WELCOME_S: Final = 5.0  # the queen answers a HELLO at once; 300 ms of line, or a busy second
ASK_EVERY_S: Final = 2.0  # an answer is asked for so often: every other beat
SILENT_S: Final = 5.0  # two answers missing
RESUME_S: Final = 30.0  # as queen.links.registry
BULK_IDLE_S: Final = 60.0  # a bulk connection that nobody uses is closed
TICK_S: Final = 0.25  # silence and idleness are judged this coarsely

_BEAT_HEADS: Final = (frames.head(BEAT), frames.head(BEAT, 1))

_log = logs.get(__name__)


class Uplink:
    """The hive's end of one lane. ``foundation.link.connection.Session``.

    ``accept`` owns new streams, ``welcomed`` may refuse a queen by her epoch (an RbeeError),
    ``acked`` gets the JSON of her answers to beats. Set them before ``run``.
    """

    def __init__(
        self,
        queen_url: str,
        lane: Lane,
        *,
        hive_id: str,
        key: str | None,
        context: Callable[[], ssl.SSLContext | None],
        accept: Callable[[Mux, Stream], Owner | str],
        welcomed: Callable[[int], None],
    ) -> None:
        self._queen_url = queen_url
        self._lane: Lane = lane
        self._hive_id = hive_id
        self._key = key
        self._context = context
        self._accept = accept
        self._welcomed = welcomed
        self.acked: Callable[[bytes], None] = lambda _ack: None
        self.joined: Callable[[], None] = lambda: None
        self.wants_bulk: Callable[[], None] = lambda: None
        self._session = uuid.uuid4().hex
        self._mux = self._new_mux()
        self._connection: Connection | None = None
        self._joining: _Joining | None = None
        self._loop = asyncio.get_running_loop()
        self.heard_at: float | None = None
        self._asked_at = 0.0
        self._broken_at: float | None = None
        self._used_at = self._loop.time()
        self._woken = asyncio.Event()
        self._changed = asyncio.Event()
        self._told_away = False

    # ── what the hive asks ───────────────────────────────────────────────────

    @property
    def alive(self) -> bool:
        """Whether there is a connection, and the queen was heard on it lately."""
        return (
            self._connection is not None
            and self.heard_at is not None
            and self._loop.time() - self.heard_at < SILENT_S
        )

    def beat(self, payload: bytes) -> bool:
        """Send a beat's JSON; False when it has to go another way."""
        connection = self._connection
        if connection is None or not self.alive or len(payload) > frames.BEAT_BYTES_MAX:
            return False
        now = self._loop.time()
        ask = now - self._asked_at >= ASK_EVERY_S * 0.9  # beats are not exact to the millisecond
        if ask:
            self._asked_at = now
        connection.send(_BEAT_HEADS[ask] + payload)
        return True

    async def run(self) -> None:
        """Keep the lane up until cancelled."""
        try:
            while True:
                pause_s = 0.0 if self.alive else await self._attempt()
                await self._rest(pause_s)
        finally:
            self._close("the hive stops")

    async def run_wanted(self) -> None:
        """Keep it up only while it is used; call ``want`` to begin."""
        while True:
            await self._woken.wait()
            self._used_at = self._loop.time()
            keeping = self._loop.create_task(self.run())
            try:
                while self._mux.streams or self._loop.time() - self._used_at < BULK_IDLE_S:
                    if self._mux.streams:
                        self._used_at = self._loop.time()
                    await asyncio.sleep(TICK_S)
                    self._ping()
            finally:
                keeping.cancel()
                await asyncio.wait([keeping])
            self._woken.clear()

    def want(self) -> None:
        """The lane is needed now."""
        self._used_at = self._loop.time()
        self._woken.set()

    # ── keeping it up ─────────────────────────────────────────────────────────

    async def _attempt(self) -> float:
        """Dial once; returns how long to wait before the next time."""
        try:
            await self._join()
        except QueenUnreachable as error:
            self._say_away(error)
            return random.uniform(0.1, 1.0) * PAUSE_MAX_S  # noqa: S311  spreading, not secrecy
        except RbeeError as error:
            self._say_away(error)
            return random.uniform(*REFUSED_PAUSE_S)  # noqa: S311  as above
        self._told_away = False
        return 0.0

    async def _rest(self, pause_s: float) -> None:
        """Wait for a break or for silence, then, or without a connection, for the pause's end."""
        if self.alive:
            while self.alive:
                await self._until_changed(TICK_S)
            pause_s = random.uniform(0.0, FIRST_PAUSE_MAX_S)  # noqa: S311  spreading
        until = self._loop.time() + pause_s
        while not self.alive and (left_s := until - self._loop.time()) > 0:
            await self._until_changed(left_s)
        broken = self._broken_at
        if broken is not None and self._loop.time() - broken > RESUME_S and self._mux.streams:
            self._forget_session("the link to the queen broke and did not come back")

    async def _until_changed(self, wait_s: float) -> None:
        """Return when the connection came or went, or after a while."""
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._changed.wait()

    async def _join(self) -> None:
        transport = await dial(self._queen_url, self._lane, key=self._key, context=self._context())
        if self.alive:  # the old connection spoke while this one was dialled
            transport.abort()
            return
        joining = self._joining = _Joining(self, self._lane)
        joining.connection.begin(transport)
        hello = Hello(
            version=frames.VERSION,
            hive_id=self._hive_id,
            session=self._session,
            seen=self._mux.come,
        )
        joining.connection.send(frames.head(HELLO) + msgspec.json.encode(hello))
        try:
            async with asyncio.timeout(WELCOME_S):
                await joining.done
        except TimeoutError:
            joining.connection.abort("no welcome")
            raise QueenUnreachable("The queen took the link and does not answer.") from None
        except BaseException:
            joining.connection.abort("given up")
            raise

    def take_over(self, connection: Connection, message: bytes) -> None:
        """The queen's welcome came on a new connection: it is the link's from now on.

        Raises:
            Violation: it is no welcome.
            RbeeError: this queen's commands do not count.
        """
        welcome = frames.read_welcome(message)
        if welcome.version != frames.VERSION:
            raise QueenUnreachable(f"The queen speaks version {welcome.version} of the link.")
        self._welcomed(welcome.epoch)
        before, self._connection = self._connection, connection
        if before is not None:
            before.abort("replaced")
        if not welcome.resumed and self._mux.come:
            self._mux.close("the queen began anew")
            self._mux = self._new_mux()
        connection.hand_over(self)
        self.heard_at = self._loop.time()
        self._broken_at = None
        self._mux.attach(connection.send, welcome.seen)
        self._changed.set()
        _log.info("linked", lane=self._lane, url=self._queen_url, resumed=welcome.resumed)
        self.joined()

    def _new_mux(self) -> Mux:
        mux = Mux(self._lane, lambda stream: self._accept(mux, stream))
        return mux

    def _forget_session(self, reason: str) -> None:
        self._mux.close(reason)
        self._mux = self._new_mux()
        self._session = uuid.uuid4().hex

    def _close(self, reason: str) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close(1001, reason)
        self._forget_session(reason)

    def _ping(self) -> None:
        now = self._loop.time()
        if self._connection is not None and now - self._asked_at >= ASK_EVERY_S:
            self._asked_at = now
            self._connection.send(frames.head(PING))

    def _say_away(self, error: RbeeError) -> None:
        if not self._told_away:
            self._told_away = True
            _log.warning("no link", lane=self._lane, url=self._queen_url, reason=error.message)

    # ── foundation.link.connection.Session ────────────────────────────────────

    def receive(self, message: bytes) -> None:
        """A frame of the queen's.

        Raises:
            Violation: one that she may not send.
        """
        self.heard_at = self._loop.time()
        kind = message[0] if message else 0
        if kind == ACK:
            self.acked(message[frames.HEAD_BYTES :])
        elif kind == PING:
            if self._connection is not None:
                self._connection.send(frames.head(PONG))
        elif kind == WANT_BULK:
            self.wants_bulk()
        elif kind != PONG:
            self._mux.receive(message)

    def lost(self, connection: Connection, reason: str) -> None:
        """A connection is gone; the session waits for the next one."""
        if connection is self._connection:
            self._connection = None
            self._broken_at = self._loop.time()
            self._mux.detach()
            self._changed.set()
            _log.info("link lost", lane=self._lane, reason=reason)

    def pause(self) -> None:
        """The connection is full."""
        self._mux.pause()

    def resume(self) -> None:
        """It takes more."""
        self._mux.resume()


class _Joining:
    """A connection between HELLO and welcome. ``foundation.link.connection.Session``."""

    def __init__(self, uplink: Uplink, lane: Lane) -> None:
        self._uplink = uplink
        self.connection = Connection(self, server=False, lane=lane)
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def receive(self, message: bytes) -> None:
        """The welcome.

        Raises:
            Violation: it is none.
        """
        try:
            self._uplink.take_over(self.connection, message)
        except RbeeError as error:
            self._fail(error)
            self.connection.abort(error.message)
        else:
            if not self.done.done():
                self.done.set_result(None)

    def lost(self, connection: Connection, reason: str) -> None:
        """It was closed before: a refusal, with words."""
        refused = connection.close_code == websocket.POLICY
        kind = LinkRefused if refused else QueenUnreachable
        self._fail(kind(f"The queen closed the new link: {reason}."))

    def _fail(self, error: RbeeError) -> None:
        if not self.done.done():
            self.done.set_exception(error)

    def pause(self) -> None:
        """Nothing is sent yet."""

    def resume(self) -> None:
        """Nothing is sent yet."""
