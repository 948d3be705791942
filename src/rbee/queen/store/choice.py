"""Which store the setting ``store`` names."""

from pathlib import Path
from typing import Final

from rbee.errors import BadSettings
from rbee.queen.store.journal import StoreJournal
from rbee.queen.store.postgres import Postgres
from rbee.queen.store.sql import SqlStore
from rbee.queen.store.sqlite import FILE_NAME, Sqlite

SCHEMES: Final = ("postgresql://", "postgres://")


def make_store(setting: str, directory: Path) -> SqlStore:
    """``sqlite`` (a file in ``directory``), ``memory``, or a PostgreSQL URL.

    Raises:
        BadSettings: it is none of them.
    """
    match setting.strip():
        case "sqlite":
            return SqlStore(Sqlite(directory / FILE_NAME))
        case "memory":
            return SqlStore(Sqlite(None))
        case url if url.startswith(SCHEMES):
            return SqlStore(Postgres(url))
        case other:
            kind = other.partition(":")[0][:32]  # a URL may hold a password
            raise BadSettings(
                f"`store` in [queen] begins with {kind!r}, which names no store.",
                remedy='Use "sqlite", "memory" or "postgresql://user@host/database".',
            )


def make_journal(setting: str, directory: Path) -> StoreJournal:
    """The journal on the store that the setting names.

    Raises:
        BadSettings: as ``make_store``.
    """
    return StoreJournal(make_store(setting, directory))
