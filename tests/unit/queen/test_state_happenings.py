"""What is told of two looks at the colony."""

import msgspec
import pytest

from rbee.contracts.hives import Heartbeat
from rbee.contracts.models import Download, Model
from rbee.contracts.workers import WorkerStats
from rbee.queen.registry.colony import Colony
from rbee.queen.state.events import BURST_MAX, Events
from rbee.queen.state.happenings import Happening, Watcher
from rbee.testing.raw_worker import beat, ready_worker


class Watched:
    """A colony that is looked at after each thing that happens to it."""

    def __init__(self) -> None:
        self.colony = Colony(hostname="here")
        self.watcher = Watcher()
        self.now = 1.0
        self.told: list[Happening] = []

    def beat(self, *workers: WorkerStats, **more: object) -> list[str]:
        self.now += 1.0
        message: Heartbeat = msgspec.structs.replace(
            beat(workers, at=self.now), **{"models": None, **more}
        )
        self.colony.beat(message, self.now)
        return self.look()

    def pass_time(self, seconds: float) -> list[str]:
        said: list[str] = []
        for _ in range(int(seconds * 2)):
            self.now += 0.5
            self.colony.sweep(self.now)
            said += self.look()
        return said

    def look(self) -> list[str]:
        said: list[Happening] = []
        entries = self.colony.entries()
        for entry in entries:
            said += self.watcher.look(entry)
        said += self.watcher.gone({str(entry.id) for entry in entries})
        self.told = said
        return [one.kind for one in said]


def worker(**fields: object) -> WorkerStats:
    return msgspec.structs.replace(ready_worker("w1", 9001), **fields)


def test_a_hives_life() -> None:
    watched = Watched()
    assert watched.beat() == ["hive_joined"]
    assert watched.beat() == []
    assert watched.pass_time(5) == ["hive_silent"]
    assert watched.pass_time(8) == ["hive_lost"]
    assert watched.beat() == ["hive_back"]
    # A colony of one may lose its only hive: it is forgotten after its minute.
    assert watched.pass_time(70)[-1] == "hive_gone"
    assert watched.beat() == ["hive_joined"]


def test_a_workers_life() -> None:
    watched = Watched()
    watched.beat()
    assert watched.beat(worker(status="starting")) == ["worker_starting"]
    assert watched.beat(worker(status="ready")) == ["worker_ready"]
    assert watched.beat(worker(status="busy")) == []
    assert watched.beat(worker(status="ready", slots_busy=1)) == []
    assert watched.beat(worker(status="starting", generation=2, reason="SIGSEGV")) == [
        "worker_crashed"
    ]
    assert watched.beat(worker(status="ready", generation=2)) == ["worker_ready"]
    assert watched.beat(worker(status="draining", generation=2)) == ["worker_draining"]
    assert watched.beat(worker(status="stopping", generation=2)) == []
    assert watched.beat() == ["worker_stopped"]


@pytest.mark.parametrize(
    ("crashes", "words"), [(2, "second"), (4, "4th"), (12, "12th"), (21, "21st"), (111, "111th")]
)
def test_a_crash_is_counted_as_people_count(crashes: int, words: str) -> None:
    watched = Watched()
    watched.beat(worker(generation=crashes))
    watched.beat(worker(status="starting", generation=crashes + 1))
    [told] = [one for one in watched.told if one.kind == "worker_crashed"]
    assert f"for the {words} time" in told.message


def test_a_crash_names_the_worker_and_ends_its_sentence_once() -> None:
    watched = Watched()
    watched.beat(worker())
    stats = worker(status="starting", generation=2)
    reason = f"Worker w1 ({stats.model}) ended: killed from outside; it is started again."
    watched.beat(msgspec.structs.replace(stats, reason=reason))
    [told] = [one for one in watched.told if one.kind == "worker_crashed"]
    assert told.message == (
        f"w1 ({stats.model}) on {told.hive_id} started again, for the first time: "
        "killed from outside."
    )


def test_a_crash_between_two_looks_is_told() -> None:
    watched = Watched()
    watched.beat(worker())
    assert watched.beat(worker(generation=2)) == ["worker_crashed"]


def test_a_worker_that_failed_is_told_once_and_its_end_is_no_news() -> None:
    watched = Watched()
    watched.beat()
    assert watched.beat(worker(status="error", reason="out of memory")) == ["worker_failed"]
    assert watched.beat(worker(status="error", reason="out of memory")) == []
    assert watched.beat() == []


def test_what_a_hive_brings_along_is_no_news() -> None:
    watched = Watched()
    assert watched.beat(worker()) == ["hive_joined"]
    assert watched.beat(worker()) == []


def test_models_come_and_go() -> None:
    watched = Watched()
    one, other = Model(id="one", name="one"), Model(id="other", name="other")
    watched.beat(models=[one])
    assert watched.beat(models=[one, other]) == ["model_fetched"]
    assert watched.beat(models=[other]) == ["model_deleted"]


def test_downloads_are_told_of() -> None:
    watched = Watched()
    watched.beat()
    download = Download(model="m", name="m", state="queued")

    def told(state: str) -> list[str]:
        return watched.beat(downloads=[msgspec.structs.replace(download, state=state)])

    assert told("queued") == ["download_started"]
    assert told("running") == []
    assert told("paused") == ["download_paused"]
    assert told("running") == ["download_started"]
    assert told("failed") == ["download_failed"]


def test_the_ring_keeps_the_newest_and_its_public_half_is_without_keys() -> None:
    events = Events(clock=lambda: 7.0, events_max=3)
    for number in range(3):
        events.note("info", "worker_ready", f"w{number}", "It is ready.")
    events.note("info", "key_made", "a-key", "Somebody made a key.")
    assert list(events.rows) == ["2", "3", "4"]
    assert list(events.public) == ["1", "2", "3"]
    assert b"key" not in b"".join(events.public.values())


def test_a_burst_is_cut_to_what_people_read() -> None:
    events = Events(clock=lambda: 7.0)
    events.take(Happening("info", "hive_joined", f"h{n}", "It joined.") for n in range(200))
    assert len(events.rows) == BURST_MAX + 1
    assert b"150 more things" in list(events.rows.values())[-1]
