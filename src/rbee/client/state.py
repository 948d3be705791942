"""The colony's state as the queen streams it: tables that keep themselves up to date.

``GET /v1/state/stream`` begins with a snapshot and goes on with deltas, each with an id.
``StateTables`` takes them (pure); ``StateFeed`` keeps the connection: after a break it
asks for what came since the last id, and what the queen does not remember any more she
sends as a snapshot, so nothing is missing and nothing twice. Rows are plain mappings, as
the JSON has them: a newer queen's further fields are there, an older one's are missing.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeAlias

import anyio
import httpx2
import msgspec

from rbee.client.transport import Transport
from rbee.errors import ContractError, RbeeError, RemoteError
from rbee.foundation.sse import EventReader

Row: TypeAlias = Mapping[str, Any]
Table: TypeAlias = Mapping[str, Row]
Connection: TypeAlias = Literal["connecting", "live", "lost"]

STALE_S: Final = 3.0  # three missed beats: what is shown is old from then on
_SILENT_S: Final = 8.0  # the queen speaks once a second; after this the line is dead
_RETRY_FIRST_S: Final = 0.25  # a restarted queen is back within a second or two
_RETRY_MAX_S: Final = 1.5  # and found again before people wonder

_PATH: Final = "/v1/state/stream"
_NONE: Final[Table] = {}


class _Change(msgspec.Struct):
    """What a delta says of one table."""

    set: dict[str, dict[str, Any]] = {}
    del_: list[str] = msgspec.field(default_factory=list[str], name="del")


class _Snapshot(msgspec.Struct, tag="snapshot", tag_field="type"):
    at: float
    tables: dict[str, dict[str, dict[str, Any]]]


class _Delta(msgspec.Struct, tag="delta", tag_field="type"):
    at: float
    tables: dict[str, _Change]


_MESSAGE: Final = msgspec.json.Decoder(_Snapshot | _Delta)


class StateTables:
    """All tables as they are after the last message. ``at`` is the queen's clock then."""

    def __init__(self) -> None:
        """Empty until the first snapshot."""
        self.at: float | None = None
        self._tables: dict[str, dict[str, Row]] = {}

    def __getitem__(self, table: str) -> Table:
        """A table by its name, keys to rows; empty where the queen has none of this name."""
        return self._tables.get(table, _NONE)

    def take(self, data: str) -> frozenset[str]:
        """Take one message; gives the names of the tables that changed.

        Raises:
            RemoteError: it is no message of this stream.
        """
        try:
            message = _MESSAGE.decode(data)
        except msgspec.MsgspecError as error:
            raise RemoteError(
                f"The queen's state has an unexpected shape: {error}.",
                remedy="Are both of the same version? `rbee doctor` says.",
            ) from None
        self.at = message.at
        if isinstance(message, _Snapshot):
            changed = frozenset(self._tables) | frozenset(message.tables)
            self._tables = {name: dict(rows) for name, rows in message.tables.items()}
            return changed
        for name, change in message.tables.items():
            rows = self._tables.setdefault(name, {})
            for key in change.del_:
                rows.pop(key, None)
            rows.update(change.set)
        return frozenset(message.tables)


class StateFeed:
    """A connection that keeps ``tables`` up to date, and says how it is itself."""

    def __init__(self, transport: Transport) -> None:
        """Nothing is asked until ``run``."""
        self.tables = StateTables()
        self.connection: Connection = "connecting"
        self.problem: RbeeError | None = None
        self._transport = transport
        self._last_id: str | None = None
        self._heard_at: float | None = None

    @property
    def age_s(self) -> float | None:
        """How old the tables are; null before the first message."""
        return None if self._heard_at is None else time.monotonic() - self._heard_at

    @property
    def now(self) -> float:
        """The queen's clock now, which ages are reckoned with."""
        return time.time() if self.tables.at is None else self.tables.at + (self.age_s or 0.0)

    async def run(self, told: Callable[[frozenset[str]], None]) -> None:
        """Keep up until cancelled; ``told`` hears which tables changed, and of each break.

        Raises:
            ContractError: the queen refuses for good: no key, a wrong one, too old a queen.
        """
        pause_s = _RETRY_FIRST_S
        while True:
            heard = self._heard_at
            try:
                await self._once(told)  # its end is no trouble: she ends every stream one day
            except ContractError:
                raise
            except RbeeError as error:
                self._lost(error)
            except httpx2.HTTPError as error:
                self._lost(self._transport.failure(error))
            except ValueError as error:  # EventReader: an event without an end
                self._lost(RemoteError(f"The queen's state cannot be read: {error}."))
            except TimeoutError:
                self._lost(RemoteError(f"The queen was silent for {_SILENT_S:.0f} s."))
            told(frozenset())
            pause_s = _RETRY_FIRST_S if self._heard_at != heard else min(pause_s * 2, _RETRY_MAX_S)
            await anyio.sleep(pause_s)

    def _lost(self, problem: RbeeError) -> None:
        self.connection, self.problem = "lost", problem

    async def _once(self, told: Callable[[frozenset[str]], None]) -> None:
        """One connection, from its request to its end."""
        headers = {} if self._last_id is None else {"last-event-id": self._last_id}
        reader = EventReader()
        async with self._transport.stream("GET", _PATH, headers=headers) as response:
            chunks = response.aiter_bytes()
            while True:
                with anyio.fail_after(_SILENT_S):
                    chunk = await anext(chunks, None)
                if chunk is None:
                    return
                changed: set[str] = set()
                for event in reader.feed(chunk):
                    changed |= self.tables.take(event.data)
                    self._last_id = event.id or self._last_id
                self.connection, self.problem = "live", None
                self._heard_at = time.monotonic()
                told(frozenset(changed))
