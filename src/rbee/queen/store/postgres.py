"""PostgreSQL: the store of a queen whose jobs must outlive her machine.

The driver (psycopg 3) is the extra ``postgres`` and is loaded when a URL names
it. Every wait has an end: a server that hangs must not hang the queen's exit.
The password stands in no message: ``name`` is host and database alone.
"""

from types import ModuleType
from typing import Final, cast
from urllib.parse import urlsplit

from rbee.errors import DiskFull, StorageError
from rbee.queen.store.database import Connection, Cursor

CONNECT_S: Final = 5  # on one network it is milliseconds, or nobody is there
STATEMENT_MS: Final = 10_000  # a group is some hundred rows: milliseconds, or it hangs
SILENCE_MS: Final = 10_000  # unacknowledged bytes: the same patience for the network

_DISK_FULL: Final = "53100"  # PostgreSQL's SQLSTATE for disk_full

_OPTIONS: Final = (
    f"-c statement_timeout={STATEMENT_MS} -c lock_timeout={STATEMENT_MS}"
    # Shown ids must be kept ids, also where the server's own default is laxer.
    " -c synchronous_commit=on"
)


class Postgres:
    """The database that a ``postgresql://`` URL names."""

    begin = "BEGIN"
    keeps = True

    def __init__(self, url: str) -> None:
        self._url = url
        parts = urlsplit(url)
        self.name = f"postgresql://{parts.hostname or 'localhost'}{parts.path}"

    def connect(self) -> Connection:
        """Connect.

        Raises:
            StorageError: the driver is missing, or the server refuses or is not there.
        """
        psycopg = _driver()
        try:
            connection = psycopg.connect(
                self._url,
                autocommit=True,  # we begin and end transactions
                connect_timeout=CONNECT_S,
                tcp_user_timeout=SILENCE_MS,
                options=_OPTIONS,
                application_name="rbee queen",
            )
        except psycopg.Error as error:
            raise self.problem(error) from None
        return cast("Connection", connection)

    def sql(self, statement: str) -> str:
        """``%s`` stands for a value here; no statement of ours has a per cent sign."""
        return statement.replace("?", "%s")

    def tidy(self, cursor: Cursor) -> None:
        """Nothing: the server vacuums by itself."""

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What psycopg raises."""
        return (_driver().Error,)

    def problem(self, error: Exception) -> StorageError:
        """The driver's error as ours."""
        first = str(error).strip().partition("\n")[0] or type(error).__name__
        if getattr(error, "sqlstate", None) == _DISK_FULL:
            return DiskFull(
                f"The disk of {self.name} is full.",
                remedy="Free some space there; the queen goes on by herself.",
            )
        return StorageError(
            f"The store {self.name} failed: {first.rstrip('.')}.",
            remedy="Is the server up, and may this user create tables? "
            "The queen tries again by herself.",
        )


def _driver() -> ModuleType:
    try:
        import psycopg  # noqa: PLC0415  an extra, and 100 ms that SQLite's users need not wait
    except ImportError:
        raise StorageError(
            "PostgreSQL as the store needs the package psycopg.",
            remedy="pip install 'rbee[postgres]', then start the queen again.",
        ) from None
    return psycopg
