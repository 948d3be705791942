"""SQLite: the store of a queen on one machine, and (in memory) of one that keeps nothing.

What is committed has to outlive a power cut, because its ids were shown: so the
write-ahead log is synced at every commit (``synchronous=FULL``; NORMAL would be
safe against SIGKILL alone, where the system still has the pages). The file holds
prompts: it is readable by the queen's user alone, and what is deleted is zeroed.
"""

import os
import sqlite3
from pathlib import Path
from typing import Final, cast

from rbee.errors import CorruptStore, DiskFull, StorageError
from rbee.foundation.files import PRIVATE_FILE_MODE, make_private_dir
from rbee.queen.store.database import Connection, Cursor

FILE_NAME: Final = "rbee.db"
BUSY_S: Final = 5.0  # somebody looks into the file with another program; commits take 10 ms
WAL_BYTES_KEPT: Final = 16 * 1024 * 1024  # after a burst the log shrinks back to this
CHECKED_BYTES_MAX: Final = 64 * 1024 * 1024  # read through at start in a tenth of a second
PAGES_FREED_MAX: Final = 4096  # 16 MiB a time: tens of milliseconds between two commits

_PRIMARY_CODE: Final = 0xFF  # extended codes say more in their upper bytes

_REPAIR: Final = CorruptStore.remedy
_UNLOCK: Final = "Close what has the file open; the queen goes on by herself."
_PERMIT: Final = "The queen's user must be able to write that file and its folder."
_MAKE_ROOM: Final = "Free some space on its disk; the queen goes on by herself."

_PROBLEMS: Final[dict[int, tuple[type[StorageError], str, str]]] = {
    sqlite3.SQLITE_CORRUPT: (CorruptStore, "is damaged", _REPAIR),
    sqlite3.SQLITE_NOTADB: (CorruptStore, "is damaged", _REPAIR),
    sqlite3.SQLITE_FULL: (DiskFull, "has no room left", _MAKE_ROOM),
    sqlite3.SQLITE_BUSY: (StorageError, "is in use by another program", _UNLOCK),
    sqlite3.SQLITE_LOCKED: (StorageError, "is in use by another program", _UNLOCK),
    sqlite3.SQLITE_READONLY: (StorageError, "cannot be written", _PERMIT),
    sqlite3.SQLITE_CANTOPEN: (StorageError, "cannot be opened", _PERMIT),
    sqlite3.SQLITE_PERM: (StorageError, "cannot be opened", _PERMIT),
}
_OTHER: Final = (StorageError, "failed", "Look at its disk; the queen tries again by herself.")

_SETTINGS: Final = (
    "PRAGMA auto_vacuum = INCREMENTAL",  # has to come before the first table
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA fullfsync = ON",  # macOS: its fsync alone does not reach the disk
    "PRAGMA checkpoint_fullfsync = ON",
    "PRAGMA secure_delete = ON",
    "PRAGMA temp_store = MEMORY",
    f"PRAGMA journal_size_limit = {WAL_BYTES_KEPT}",
)


class Sqlite:
    """A file, or with ``path`` None a database that lives in memory."""

    begin = "BEGIN IMMEDIATE"
    errors = (sqlite3.Error, OSError)

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.keeps = path is not None
        self.name = "memory" if path is None else str(path)

    def connect(self) -> Connection:
        """Open it, creating the file where there is none.

        Raises:
            CorruptStore: the file is damaged, or no database.
            StorageError: it cannot be opened.
        """
        try:
            return self._connect()
        except self.errors as error:
            raise self.problem(error) from None

    def _connect(self) -> Connection:
        if self._path is not None:
            make_private_dir(self._path.parent)
            # SQLite gives the files beside it the same mode.
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, PRIVATE_FILE_MODE))
        connection = sqlite3.connect(
            ":memory:" if self._path is None else self._path,
            timeout=BUSY_S,
            isolation_level=None,  # we begin and end transactions
            check_same_thread=False,  # one thread at a time, not always the same one
        )
        try:
            # Looked at before anything is changed: a damaged file is left as it is.
            if self._path is not None and self._path.stat().st_size <= CHECKED_BYTES_MAX:
                self._check(connection)
            for statement in _SETTINGS:
                connection.execute(statement).fetchall()
        except BaseException:
            connection.close()
            raise
        return cast("Connection", connection)

    def _check(self, connection: sqlite3.Connection) -> None:
        said = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        if said != "ok":
            first = said.splitlines()[0]
            raise CorruptStore(f"The store {self.name} is damaged: {first}.")

    def sql(self, statement: str) -> str:
        """As it is: ``?`` is SQLite's own."""
        return statement

    def tidy(self, cursor: Cursor) -> None:
        """Give free pages back to the disk, and empty the log: it holds what was deleted."""
        # It frees one page a step and gives no rows: only a script is stepped to its end.
        cast("sqlite3.Cursor", cursor).executescript(
            f"PRAGMA incremental_vacuum({PAGES_FREED_MAX})"
        )
        if self.keeps:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            cursor.fetchall()

    def problem(self, error: Exception) -> StorageError:
        """SQLite's or the system's error as ours."""
        if isinstance(error, OSError):
            return StorageError(
                f"The store {self.name} cannot be opened: {error.strerror}.",
                remedy=_PERMIT,
            )
        code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE
        kind, what, remedy = _PROBLEMS.get(code, _OTHER)
        return kind(f"The store {self.name} {what}: {error}.", remedy=remedy)
