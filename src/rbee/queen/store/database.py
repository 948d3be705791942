"""What two databases have in common, as far as the store needs it.

Both drivers follow Python's DB-API, so a connection, its cursor and ``?`` for a
value are all that ``sql`` knows. Transactions are begun and ended by statements
of our own, on connections that begin none by themselves.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, TypeAlias

from rbee.errors import StorageError

Value: TypeAlias = str | int | float | bytes | None
Row: TypeAlias = tuple[Any, ...]


class Cursor(Protocol):
    """The part of a DB-API cursor that is used."""

    @property
    def rowcount(self) -> int:
        """How many rows the last statement touched."""
        ...

    def execute(self, statement: str, values: Sequence[Value] = ..., /) -> object:
        """Run one statement."""
        ...

    def executemany(self, statement: str, values: Iterable[Sequence[Value]], /) -> object:
        """Run one statement for each row of values."""
        ...

    def fetchall(self) -> list[Row]:
        """All rows of the last query."""
        ...


class Connection(Protocol):
    """The part of a DB-API connection that is used."""

    def cursor(self) -> Cursor:
        """A cursor of its own."""
        ...

    def close(self) -> None:
        """Close it; what was not committed is undone."""
        ...


class Database(Protocol):
    """One kind of database at one place. Called from the store's thread alone."""

    name: str
    """What errors and logs call it; holds no password."""
    begin: str
    """The statement that begins a transaction that will write."""
    keeps: bool
    """Whether its content outlives a connection; what does not is never reconnected."""

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What its driver raises."""
        ...

    def connect(self) -> Connection:
        """A connection that begins no transactions by itself.

        Raises:
            StorageError: it cannot be had.
        """
        ...

    def sql(self, statement: str) -> str:
        """The statement as this driver wants it; given with ``?`` for each value."""
        ...

    def tidy(self, cursor: Cursor) -> None:
        """Give room back to the disk, outside of any transaction."""
        ...

    def problem(self, error: Exception) -> StorageError:
        """One of ``errors`` as ours, with a remedy."""
        ...
