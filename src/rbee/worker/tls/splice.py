"""One connection of the queen's and its counterpart at the engine: bytes both ways.

Nothing is parsed. The engine is dialled when the first bytes come, not before: the
queen keeps connections ready, and an engine that gives each open connection a thread
must not pay for those. What one side cannot take makes the other side wait.
"""

import asyncio
from collections.abc import Callable
from typing import Final, cast

from rbee.foundation.http.reads import read_less
from rbee.foundation.proofs import (
    LINE_BYTES_MAX,
    PROBE_ALPN,
    begins_question,
    nonce_in,
    proof,
)

Address = tuple[str, int]

BEHIND_BYTES: Final = 64 * 1024  # what may wait for a slow side before the other one is paused


class Guest(asyncio.Protocol):
    """The queen's side. ``left`` is called once when it is over."""

    def __init__(
        self, engine: Address, secret: str, left: Callable[["Guest"], None], *, tls: bool
    ) -> None:
        self._engine = engine
        self._secret = secret
        self._left = left
        self._tls = tls
        self._probe: bool | None = None
        self._held = b""
        self._transport: asyncio.Transport | None = None
        self._dialling: asyncio.Task[None] | None = None
        self._inner: _Inner | None = None

    @property
    def silent(self) -> bool:
        """Whether nothing has been asked on it yet."""
        return self._inner is None and self._dialling is None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = _taken(transport)
        if self._tls:  # TLS has said by now what the connection is for
            told = transport.get_extra_info("ssl_object").selected_alpn_protocol()
            self._probe = told == PROBE_ALPN

    def data_received(self, data: bytes) -> None:
        """Answer a probe, or pass bytes on to the engine."""
        if self._inner is not None:
            self._inner.write(data)
            return
        self._held += data
        if self._probe is None:  # without TLS, the first bytes tell
            self._probe = begins_question(self._held)
        if self._probe:
            self._prove()
        elif self._dialling is None and self._transport is not None:
            self._transport.pause_reading()
            self._dialling = asyncio.get_running_loop().create_task(self._dial())

    def eof_received(self) -> bool:
        """The queen closes: so does this side, in ``connection_lost``."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The queen has left; the engine hears of it at once and stops generating."""
        del exc
        if self._dialling is not None:
            self._dialling.cancel()
        if self._inner is not None:
            self._inner.abort()
        self._left(self)

    def pause_writing(self) -> None:
        """The queen is behind: let the engine wait."""
        if self._inner is not None:
            self._inner.pause()

    def resume_writing(self) -> None:
        """She has caught up."""
        if self._inner is not None:
            self._inner.resume()

    def write(self, data: bytes) -> None:
        """The engine's bytes, for the queen."""
        if self._transport is not None:
            self._transport.write(data)

    def pause(self) -> None:
        """The engine is behind."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        """The engine has caught up."""
        if self._transport is not None:
            self._transport.resume_reading()

    def finish(self, *, whole: bool) -> None:
        """The engine is done: ``whole`` sends what is left first, else the cut is shown at once."""
        if self._transport is None:
            return
        if whole:
            self._transport.close()
        else:
            self._transport.abort()

    def _prove(self) -> None:
        transport = self._transport
        if transport is None:
            return
        line, end, _ = self._held.partition(b"\n")
        if not end:
            if len(self._held) > LINE_BYTES_MAX:
                transport.abort()
            return
        nonce = nonce_in(line + end)
        if nonce is not None:
            transport.write(proof(self._secret, nonce))
        transport.close()

    async def _dial(self) -> None:
        host, port = self._engine
        loop = asyncio.get_running_loop()
        try:
            _, inner = await loop.create_connection(lambda: _Inner(self), host, port)
        except OSError:  # the engine does not listen yet, or not any more
            self.finish(whole=False)
            return
        self._inner = inner
        held, self._held = self._held, b""
        inner.write(held)
        self.resume()


class _Inner(asyncio.Protocol):
    """The engine's side, on loopback."""

    def __init__(self, guest: Guest) -> None:
        self._guest = guest
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = _taken(transport)

    def data_received(self, data: bytes) -> None:
        self._guest.write(data)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._guest.finish(whole=exc is None)

    def pause_writing(self) -> None:
        self._guest.pause()

    def resume_writing(self) -> None:
        self._guest.resume()

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def pause(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()


def _taken(transport: asyncio.BaseTransport) -> asyncio.Transport:
    read_less(transport)
    kept = cast("asyncio.Transport", transport)
    kept.set_write_buffer_limits(high=BEHIND_BYTES)
    return kept
