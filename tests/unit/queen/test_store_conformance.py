"""What every store must do: one suite against memory and SQLite.

``tests/system/test_store_conformance_postgres.py`` plays it against a real PostgreSQL.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rbee.errors import BadSettings, StorageError, StoreTaken
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
from rbee.queen.store import sql
from rbee.queen.store.choice import make_store
from rbee.queen.store.sql import SqlStore

TABLES = ("rbee_job_events", "rbee_jobs", "rbee_records", "rbee_store")


class Place:
    """Where a store is kept, and the way back to it."""

    def __init__(self, setting: str, directory: Path) -> None:
        self._setting = setting
        self._directory = directory
        self._stores: list[SqlStore] = []

    @property
    def outlives(self) -> bool:
        """Whether its content is there for another process."""
        return self._setting != "memory"

    def store(self) -> SqlStore:
        """A store there, not yet open."""
        self._stores.append(make_store(self._setting, self._directory))
        return self._stores[-1]

    def again(self, store: SqlStore) -> SqlStore:
        """The store as a successor finds it; what lives in memory has none but itself."""
        if not self.outlives:
            return store
        store.close()
        return self.store()

    def clear(self) -> None:
        """Leave nothing."""
        for store in self._stores:
            store.close()
        if self._setting.startswith("postgresql"):
            last = self.store()
            last.open()
            for table in TABLES:
                run(last, f"DROP TABLE {table}")
            last.close()


@pytest.fixture(params=["memory", "sqlite"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    found = Place(request.param, tmp_path)
    yield found
    found.clear()


def run(store: SqlStore, statement: str) -> None:
    assert store._connection is not None
    store._connection.cursor().execute(statement)


def job(job_id: str, **fields: object) -> JobRow:
    row = JobRow(
        job_id=job_id, operation="infer", status="queued", created_at=1.5, request=b'{"a": 1}'
    )
    return msgspec.structs.replace(row, **fields)


def ended(row: JobRow, last_seq: int) -> JobRow:
    return msgspec.structs.replace(
        row, status="completed", ended_at=9.25, last_seq=last_seq, request=None
    )


def said(job_id: str, *texts: str, first: int = 1) -> list[Entry]:
    return [
        Happened(job_id, KeptEvent(seq, text.encode())) for seq, text in enumerate(texts, first)
    ]


def test_a_new_store_is_empty(place: Place) -> None:
    assert place.store().open() == []


def test_what_was_written_is_found_by_the_next(place: Place) -> None:
    store = place.store()
    store.open()
    whole = job("job-1", started_at=2.125, deadline_at=61.5, restarts=3)
    store.write([Accepted(whole), *said("job-1", "a", "b")])
    store.write([Accepted(job("job-2", created_at=0.5))])
    assert place.again(store).open() == [
        Found(job("job-2", created_at=0.5), []),
        Found(whole, [KeptEvent(1, b"a"), KeptEvent(2, b"b")]),
    ]


def test_of_an_ended_job_comes_its_state_and_its_events_on_demand(place: Place) -> None:
    store = place.store()
    store.open()
    row = job("job-1")
    end = msgspec.structs.replace(ended(row, 2), status="failed", error="Nö. 🐝")
    store.write([Accepted(row), *said("job-1", "x", "[DONE]"), Changed(end)])
    after = place.again(store)
    assert after.open() == [Found(end, [])]
    assert end.request is None, "the prompt goes with the job's end"
    assert after.read("job-1", 0) == [KeptEvent(1, b"x"), KeptEvent(2, b"[DONE]")]
    assert after.read("job-1", 1) == [KeptEvent(2, b"[DONE]")]
    assert after.read("job-1", 2) == []
    assert after.read("job-none", 0) == []


def test_bytes_come_back_as_they_went(place: Place) -> None:
    store = place.store()
    store.open()
    every = bytes(range(256))
    store.write([Accepted(job("job-1", request=every)), Happened("job-1", KeptEvent(1, every))])
    (found,) = place.again(store).open()
    assert found.row.request == every
    assert found.events == [KeptEvent(1, every)]


def test_a_group_is_kept_whole_or_not_at_all(place: Place) -> None:
    store = place.store()
    store.open()
    store.write([Accepted(job("job-1"))])
    wrong = KeptEvent(2, cast("bytes", None))  # the schema refuses an event without data
    with pytest.raises(StorageError):
        store.write([*said("job-1", "a"), Accepted(job("job-2")), Happened("job-1", wrong)])
    store.write(said("job-1", "b", first=3))
    assert place.again(store).open() == [Found(job("job-1"), [KeptEvent(3, b"b")])]


def test_a_group_written_again_changes_nothing(place: Place) -> None:
    store = place.store()
    store.open()
    row = job("job-1")
    group = [Accepted(row), *said("job-1", "a", "[DONE]"), Changed(ended(row, 2))]
    store.write(group)
    store.write(group)
    after = place.again(store)
    assert after.open() == [Found(ended(row, 2), [])]
    assert len(after.read("job-1", 0)) == 2


def test_a_long_log_is_read_in_pages(place: Place) -> None:
    store = place.store()
    store.open()
    texts = [f"{n}" for n in range(sql.PAGE_EVENTS + 5)]
    big = ["x" * 100_000] * 5
    store.write([Accepted(job("job-1")), *said("job-1", *texts), Accepted(job("job-2"))])
    store.write(said("job-2", *big))
    first = store.read("job-1", 0)
    assert len(first) == sql.PAGE_EVENTS
    assert [event.seq for event in store.read("job-1", first[-1].seq)] == [
        1001,
        1002,
        1003,
        1004,
        1005,
    ]
    assert len(store.read("job-2", 0)) == 3
    found = {left.row.job_id: len(left.events) for left in place.again(store).open()}
    assert found == {"job-1": len(texts), "job-2": len(big)}


def test_a_trimmed_log_keeps_its_newest(place: Place) -> None:
    store = place.store()
    store.open()
    store.write([Accepted(job("job-1")), *said("job-1", *"abcd"), Trimmed("job-1", 1)])
    store.write([Trimmed("job-1", 2), Trimmed("job-1", 3)])
    assert place.again(store).open() == [Found(job("job-1"), [KeptEvent(4, b"d")])]


def test_a_forgotten_job_leaves_nothing(place: Place) -> None:
    store = place.store()
    store.open()
    store.write([Accepted(job("job-1")), *said("job-1", "a"), Accepted(job("job-2"))])
    store.write([Forgotten("job-1"), Forgotten("job-never")])
    store.tidy()
    after = place.again(store)
    assert after.open() == [Found(job("job-2"), [])]
    assert after.read("job-1", 0) == []


def test_who_opens_it_is_the_one_who_writes(place: Place) -> None:
    old, new = place.store(), place.store()
    old.open()
    old.write([Accepted(job("job-1"))])
    if not place.outlives:  # nobody else can open what lives in memory
        assert new.open() == []
        old.write(said("job-1", "still mine"))
        return
    assert len(new.open()) == 1
    with pytest.raises(StoreTaken):
        old.write(said("job-1", "from the past"))
    new.write(said("job-1", "now"))
    assert old.read("job-1", 0) == [KeptEvent(1, b"now")]


def test_a_newer_versions_store_is_left_alone(place: Place) -> None:
    store = place.store()
    store.open()
    run(store, "UPDATE rbee_store SET version = 99")
    after = place.again(store)
    with pytest.raises(StorageError, match="newer version"):
        after.open()
    version = len(sql._STEPS)
    run(after, f"UPDATE rbee_store SET version = {version}")  # noqa: S608  a number of ours


def test_small_documents_are_kept_by_kind_and_id(place: Place) -> None:
    store = place.store()
    store.open()
    store.change_record("key", "a", b"first")
    store.change_record("key", "a", b"\x00second")
    store.change_record("key", "b", b"{}")
    store.change_record("token", "a", b"another kind")
    store.change_record("key", "b", None)
    store.change_record("key", "never there", None)
    after = place.again(store)
    after.open()
    assert after.records("key") == {"a": b"\x00second"}
    assert after.records("token") == {"a": b"another kind"}
    assert after.records("nothing") == {}


def test_who_lost_the_store_changes_no_document(place: Place) -> None:
    store = place.store()
    store.open()
    store.change_record("key", "a", b"kept")
    run(store, "UPDATE rbee_store SET epoch = epoch + 1")  # as another queen's opening does
    with pytest.raises(StoreTaken):
        store.change_record("key", "a", None)
    assert store.records("key") == {"a": b"kept"}


def test_a_job_keeps_its_owner(place: Place) -> None:
    store = place.store()
    store.open()
    store.write([Accepted(job("job-a", owner="key:alice")), Accepted(job("job-b"))])
    after = place.again(store)
    assert {one.row.job_id: one.row.owner for one in after.open()} == {
        "job-a": "key:alice",
        "job-b": "",
    }


def test_the_first_versions_store_is_brought_up_to_date(place: Place) -> None:
    store = place.store()
    store.open()
    for table in TABLES[:3]:
        run(store, f"DROP TABLE {table}")
    for statement in sql._STEPS[0]:
        run(store, statement)
    run(store, "UPDATE rbee_store SET version = 1")
    run(
        store,
        "INSERT INTO rbee_jobs (job_id, operation, status, created_at, last_seq, restarts) "
        "VALUES ('job-a', 'infer', 'queued', 1.5, 0, 0)",
    )
    after = place.again(store)
    (found,) = after.open()
    assert (found.row.job_id, found.row.owner) == ("job-a", "")
    after.change_record("key", "a", b"kept")
    assert after.records("key") == {"a": b"kept"}


IDS = st.sampled_from(["job-a", "job-b", "job-c"])
STEPS = st.lists(
    st.lists(
        st.tuples(st.sampled_from(["accept", "say", "end", "trim", "forget"]), IDS), max_size=6
    ),
    max_size=8,
)


class Model:
    """What a store should hold, in two dictionaries."""

    def __init__(self) -> None:
        self.rows: dict[str, JobRow] = {}
        self.events: dict[str, list[KeptEvent]] = {}

    def entries(self, step: str, job_id: str) -> list[Entry]:
        """The entries of a step that makes sense now; changes the model alike."""
        row = self.rows.get(job_id)
        if row is None:
            if step != "accept":
                return []
            self.rows[job_id] = job(job_id)
            self.events[job_id] = []
            return [Accepted(self.rows[job_id])]
        events = self.events[job_id]
        if step == "say" and row.ended_at is None:
            seq = events[-1].seq + 1 if events else 1
            events.append(KeptEvent(seq, b"%d" % seq))
            return [Happened(job_id, events[-1])]
        if step == "end":
            self.rows[job_id] = ended(row, events[-1].seq if events else 0)
            return [Changed(self.rows[job_id])]
        if step == "trim" and len(events) > 1:
            upto = events[len(events) // 2 - 1].seq
            self.events[job_id] = [event for event in events if event.seq > upto]
            return [Trimmed(job_id, upto)]
        return []

    def found(self) -> list[Found]:
        return [
            Found(row, self.events[job_id] if row.ended_at is None else [])
            for job_id, row in sorted(self.rows.items())
        ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(groups=STEPS)
def test_it_holds_what_a_dictionary_would(
    place: Place, groups: list[list[tuple[str, str]]]
) -> None:
    store, model = place.store(), Model()
    for left in store.open():
        store.write([Forgotten(left.row.job_id)])
    for group in groups:
        entries: list[Entry] = []
        forgotten: list[str] = []
        for step, job_id in group:
            if step == "forget":
                forgotten.append(job_id)
            elif job_id not in forgotten:
                entries += model.entries(step, job_id)
        store.write([*entries, *map(Forgotten, forgotten)])
        for job_id in forgotten:
            model.rows.pop(job_id, None)
        store = place.again(store)
        assert store.open() == model.found()
    for job_id in model.rows:
        assert store.read(job_id, 0) == model.events[job_id]


def test_every_kind_has_a_place_and_others_are_refused(tmp_path: Path) -> None:
    names: dict[str, Callable[[str], bool]] = {
        "sqlite": lambda name: name == str(tmp_path / "rbee.db"),
        "memory": lambda name: name == "memory",
        "postgresql://me:secret@db.example/colony": lambda name: (
            name == "postgresql://db.example/colony"
        ),
    }
    for setting, expected in names.items():
        assert expected(make_store(setting, tmp_path).name)


def test_what_names_no_store_is_refused_without_repeating_it(tmp_path: Path) -> None:
    for setting in ("mysql://me:secret@db/colony", "", "rbee.db"):
        with pytest.raises(BadSettings) as refused:
            make_store(setting, tmp_path)
        assert "secret" not in refused.value.message
