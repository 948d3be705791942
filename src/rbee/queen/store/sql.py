"""The statements: one set, which SQLite and PostgreSQL both understand.

A group of entries is one transaction: all of it is kept, or none. The first
statement of each makes sure that this queen is still the one who writes: opening
the store takes a new epoch, and a queen whose epoch is no longer the newest
writes nothing more, so a job never ends in two places. Writing a group again
after a commit of unknown outcome changes nothing.

The schema moves in numbered steps, forward only. Four tables and no branches
need no migration tool; ``_STEPS`` is the whole history. Beside the jobs there are
``records``: small documents of other parts (keys), by kind and id.
"""

import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

from rbee.errors import CorruptStore, StorageError, StoreTaken
from rbee.foundation.journal import (
    Accepted,
    Changed,
    Entry,
    Forgotten,
    Found,
    Happened,
    JobRow,
    KeptEvent,
    Trimmed,
)
from rbee.queen.store.database import Connection, Cursor, Database, Row, Value

PAGE_BYTES: Final = 256 * 1024  # of a log read at once: a few milliseconds between two commits
PAGE_EVENTS: Final = 1000  # as many events of a usual size as PAGE_BYTES holds

T = TypeVar("T")

# The types are PostgreSQL's; SQLite takes any name, and a number or bytes for what they are.
_STEPS: Final = (
    (
        """
        CREATE TABLE rbee_jobs (
            job_id TEXT PRIMARY KEY,
            operation TEXT NOT NULL,
            status TEXT NOT NULL,
            created_at DOUBLE PRECISION NOT NULL,
            started_at DOUBLE PRECISION,
            ended_at DOUBLE PRECISION,
            deadline_at DOUBLE PRECISION,
            error TEXT,
            last_seq BIGINT NOT NULL,
            restarts BIGINT NOT NULL,
            request BYTEA
        )
        """,
        """
        CREATE TABLE rbee_job_events (
            job_id TEXT NOT NULL,
            seq BIGINT NOT NULL,
            data BYTEA NOT NULL,
            PRIMARY KEY (job_id, seq)
        )
        """,
    ),
    (
        "ALTER TABLE rbee_jobs ADD COLUMN owner TEXT NOT NULL DEFAULT ''",
        """
        CREATE TABLE rbee_records (
            kind TEXT NOT NULL,
            id TEXT NOT NULL,
            data BYTEA NOT NULL,
            PRIMARY KEY (kind, id)
        )
        """,
    ),
)

_META: Final = """
    CREATE TABLE IF NOT EXISTS rbee_store (
        id BIGINT PRIMARY KEY, version BIGINT NOT NULL, epoch BIGINT NOT NULL
    )
"""
_META_FIRST: Final = (
    "INSERT INTO rbee_store (id, version, epoch) VALUES (1, 0, 0) ON CONFLICT DO NOTHING"
)
_META_READ: Final = "SELECT version, epoch FROM rbee_store WHERE id = 1"
_TAKE: Final = "UPDATE rbee_store SET epoch = epoch + 1 WHERE id = 1"
_META_MOVED: Final = "UPDATE rbee_store SET version = ? WHERE id = 1"
_STILL_MINE: Final = "UPDATE rbee_store SET epoch = epoch WHERE id = 1 AND epoch = ?"

_ACCEPT: Final = (
    "INSERT INTO rbee_jobs (job_id, operation, status, created_at, started_at, ended_at, "
    "deadline_at, error, last_seq, restarts, request, owner) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT DO NOTHING"
)
_HAPPENED: Final = (
    "INSERT INTO rbee_job_events (job_id, seq, data) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
)
_CHANGED: Final = (
    "UPDATE rbee_jobs SET status = ?, started_at = ?, ended_at = ?, error = ?, last_seq = ?, "
    "restarts = ?, request = ? WHERE job_id = ?"
)
_TRIM: Final = "DELETE FROM rbee_job_events WHERE job_id = ? AND seq <= ?"
_FORGET_EVENTS: Final = "DELETE FROM rbee_job_events WHERE job_id = ?"
_FORGET_JOB: Final = "DELETE FROM rbee_jobs WHERE job_id = ?"

_JOBS: Final = (
    "SELECT job_id, operation, status, created_at, started_at, ended_at, deadline_at, error, "
    "last_seq, restarts, request, owner FROM rbee_jobs ORDER BY created_at, job_id"
)
_RECORDS: Final = "SELECT id, data FROM rbee_records WHERE kind = ?"
_KEEP_RECORD: Final = (
    "INSERT INTO rbee_records (kind, id, data) VALUES (?, ?, ?) "
    "ON CONFLICT (kind, id) DO UPDATE SET data = excluded.data"
)
_DROP_RECORD: Final = "DELETE FROM rbee_records WHERE kind = ? AND id = ?"
_EVENTS: Final = (
    "SELECT seq, data FROM rbee_job_events WHERE job_id = ? AND seq > ? ORDER BY seq LIMIT ?"
)


class SqlStore:
    """Jobs in a database. All methods block; call them from one thread at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Connection | None = None
        self._epoch = 0

    @property
    def name(self) -> str:
        """Where it is; holds no password."""
        return self._database.name

    def open(self) -> list[Found]:
        """Take the store over and read what is in it: unfinished jobs with their events.

        Raises:
            CorruptStore: it is damaged.
            StorageError: it cannot be opened, or is a newer version's.
        """
        return self._transaction(self._take_over)

    def write(self, entries: Sequence[Entry]) -> None:
        """Keep a group of entries: all of them, or none.

        Raises:
            StoreTaken: another queen has opened the store since.
            StorageError: nothing of it was kept, as far as one can know.
        """
        self._transaction(lambda cursor: self._write(cursor, entries))

    def read(self, job_id: str, after: int) -> list[KeptEvent]:
        """Events with ids greater than ``after``, a page of them; none at the end.

        Raises:
            StorageError: it cannot be read.
        """
        return self._guarded(lambda cursor: self._page(cursor, job_id, after))

    def records(self, kind: str) -> dict[str, bytes]:
        """The small documents of one kind, by their ids.

        Raises:
            StorageError: they cannot be read.
        """
        rows = self._guarded(lambda cursor: self._rows(cursor, _RECORDS, [kind]))
        return {str(row[0]): bytes(row[1]) for row in rows}

    def change_record(self, kind: str, id: str, data: bytes | None) -> None:
        """Keep a small document, in place of the one with its id; None takes it out.

        Raises:
            StoreTaken: another queen has opened the store since.
            StorageError: nothing was changed, as far as one can know.
        """

        def work(cursor: Cursor) -> None:
            self._check_mine(cursor)
            if data is None:
                self._run(cursor, _DROP_RECORD, [kind, id])
            else:
                self._run(cursor, _KEEP_RECORD, [kind, id, data])

        self._transaction(work)

    def tidy(self) -> None:
        """Give room back to the disk.

        Raises:
            StorageError: it cannot.
        """
        self._guarded(self._database.tidy)

    def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(*self._database.errors):  # broken: nothing is left to save
                connection.close()

    # ── inside ───────────────────────────────────────────────────────────────

    def _take_over(self, cursor: Cursor) -> list[Found]:
        self._run(cursor, _META)
        self._run(cursor, _META_FIRST)
        self._run(cursor, _TAKE)  # first: it holds up whoever else is about to take it
        version, epoch = self._rows(cursor, _META_READ)[0]
        if version > len(_STEPS):
            raise StorageError(
                f"The store {self.name} was written by a newer version of rbee.",
                remedy="Install that version again, or give this queen another `store`.",
            )
        for step in _STEPS[version:]:
            for statement in step:
                self._run(cursor, statement)
        self._run(cursor, _META_MOVED, [len(_STEPS)])
        self._epoch = epoch
        return [self._found(cursor, _as_job(row)) for row in self._rows(cursor, _JOBS)]

    def _found(self, cursor: Cursor, row: JobRow) -> Found:
        events: list[KeptEvent] = []
        if row.ended_at is None:
            while page := self._page(cursor, row.job_id, events[-1].seq if events else 0):
                events += page
        return Found(row, events)

    def _check_mine(self, cursor: Cursor) -> None:
        self._run(cursor, _STILL_MINE, [self._epoch])
        if cursor.rowcount != 1:
            raise StoreTaken(f"Another queen has taken over the store {self.name}.")

    def _write(self, cursor: Cursor, entries: Sequence[Entry]) -> None:
        self._check_mine(cursor)
        groups = _grouped(entries)
        for statement, rows in groups:
            if rows:
                cursor.executemany(self._database.sql(statement), rows)

    def _page(self, cursor: Cursor, job_id: str, after: int) -> list[KeptEvent]:
        page: list[KeptEvent] = []
        size_bytes = 0
        for seq, data in self._rows(cursor, _EVENTS, [job_id, after, PAGE_EVENTS]):
            page.append(KeptEvent(seq, bytes(data)))
            size_bytes += len(data)
            if size_bytes >= PAGE_BYTES:
                break
        return page

    def _transaction(self, work: Callable[[Cursor], T]) -> T:
        def whole(cursor: Cursor) -> T:
            cursor.execute(self._database.begin)
            try:
                result = work(cursor)
                cursor.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(*self._database.errors):  # the first one is told
                    cursor.execute("ROLLBACK")
                raise
            return result

        return self._guarded(whole)

    def _guarded(self, work: Callable[[Cursor], T]) -> T:
        """Do it with the connection; after an error of the database, with a new one next time."""
        if self._connection is None:
            self._connection = self._database.connect()
        try:
            return work(self._connection.cursor())
        except self._database.errors as error:
            if self._database.keeps:
                self.close()
            raise self._database.problem(error) from None

    def _run(self, cursor: Cursor, statement: str, values: Sequence[Value] = ()) -> None:
        cursor.execute(self._database.sql(statement), values)

    def _rows(self, cursor: Cursor, statement: str, values: Sequence[Value] = ()) -> list[Row]:
        self._run(cursor, statement, values)
        return cursor.fetchall()


def _grouped(entries: Iterable[Entry]) -> list[tuple[str, list[list[Value]]]]:
    """The entries by statement. Of one job they come in this order anyway."""
    accepted: list[list[Value]] = []
    happened: list[list[Value]] = []
    changed: dict[str, list[Value]] = {}
    trimmed: dict[str, list[Value]] = {}
    forgotten: list[list[Value]] = []
    for entry in entries:
        match entry:
            case Accepted(row):
                accepted.append(_inserted(row))
            case Happened(job_id, event):
                happened.append([job_id, event.seq, event.data])
            case Changed(row):
                changed[row.job_id] = _updated(row)
            case Trimmed(job_id, upto):
                trimmed[job_id] = [job_id, upto]
            case Forgotten(job_id):
                forgotten.append([job_id])
    return [
        (_ACCEPT, accepted),
        (_HAPPENED, happened),
        (_CHANGED, list(changed.values())),
        (_TRIM, list(trimmed.values())),
        (_FORGET_EVENTS, forgotten),
        (_FORGET_JOB, forgotten),
    ]


def _inserted(row: JobRow) -> list[Value]:
    return [
        row.job_id,
        row.operation,
        row.status,
        row.created_at,
        row.started_at,
        row.ended_at,
        row.deadline_at,
        row.error,
        row.last_seq,
        row.restarts,
        row.request,
        row.owner,
    ]


def _updated(row: JobRow) -> list[Value]:
    return [
        row.status,
        row.started_at,
        row.ended_at,
        row.error,
        row.last_seq,
        row.restarts,
        row.request,
        row.job_id,
    ]


def _as_job(row: Row) -> JobRow:
    """A row of ``_JOBS``.

    Raises:
        CorruptStore: it holds no job.
    """
    try:
        return JobRow(
            job_id=str(row[0]),
            operation=str(row[1]),
            status=row[2],
            created_at=float(row[3]),
            started_at=row[4],
            ended_at=row[5],
            deadline_at=row[6],
            error=row[7],
            last_seq=int(row[8]),
            restarts=int(row[9]),
            request=None if row[10] is None else bytes(row[10]),
            owner=str(row[11]),
        )
    except (TypeError, ValueError) as error:
        raise CorruptStore(f"A row of the store is no job: {error}.") from None
