"""Each rule of the simulation can fail: with one part broken it complains of just that."""

import msgspec

from rbee.contracts.hives import Heartbeat
from rbee.contracts.jobs import WorkerSpawn
from rbee.foundation.jobserver import Job
from rbee.foundation.journal import Accepted, Changed, Entry
from rbee.queen.inference.admission import Admission
from rbee.queen.inference.call import Call
from rbee.queen.inference.candidates import Running
from rbee.queen.inference.router import Router
from rbee.queen.inference.routing import Choice
from rbee.queen.inference.upstream import Upstream
from rbee.queen.registry.workers import as_routable
from rbee.testing.simulation.disk import Disk, DiskJournal
from rbee.testing.simulation.drill import Report, run
from rbee.testing.simulation.hives import Hive
from rbee.testing.simulation.queen import Parts
from rbee.testing.simulation.world import Scenario

CALM = Scenario(
    seed=1, requests=30, kills=0, hives=3, replicas=1, hive_crashes=0, partitions=0, loss=0.0,
    failing_loads=0.0, leavers=0.0, slow_hives=0,
)  # fmt: skip


def complaints(report: Report) -> str:
    assert not report.ok
    assert "--seed 1" in report.told()
    return "; ".join(words for _, words in report.breaches)


def test_a_calm_colony_breaks_no_rule() -> None:
    report = run(CALM)
    assert report.ok, report.told()
    assert report.verdicts["whole"] + report.verdicts["job whole"] == 30


def test_slots_that_are_given_twice_are_seen() -> None:
    class Generous(Router):
        def choose(self, model: str, call: Call, running: Running) -> Choice | None:
            return super().choose(model, call, running and {})

    busy = msgspec.structs.replace(CALM, slots=1, rate_per_s=20.0)
    found = complaints(run(busy, Parts(router=Generous)))
    assert "was chosen and has no free slot" in found
    assert "requests in 1 slots" in found


def test_a_request_for_a_worker_that_leaves_is_seen() -> None:
    class Blind(Router):
        def choose(self, model: str, call: Call, running: Running) -> Choice | None:
            assert call.model
            for hive_id, entry in self._colony.workers():
                stats = entry.stats
                if stats.model == model and entry.key and running.get(stats.worker_id, 0) < 4:
                    return Choice(as_routable(entry, hive_id, local=False), "", (), (), 1, "")
            return None

    tight = msgspec.structs.replace(CALM, hives=1, rooms=1, replicas=0, models=2, requests=60)
    assert "was chosen and is draining" in complaints(run(tight, Parts(router=Blind)))


def test_a_stream_that_is_cut_without_a_word_is_seen() -> None:
    class Trusting(Upstream):
        def connection_lost(self, exc: Exception | None) -> None:
            self.closed = True if exc is None else bool(exc)
            if not self._ended:
                if self._wire is not None:
                    self._pour_end(self._wire)
                self._end()

    killed = msgspec.structs.replace(CALM, kills=8, requests=40, jobs=0.0)
    assert "the end is" in complaints(run(killed, Parts(upstream=Trusting)))


def test_a_wrong_byte_is_seen() -> None:
    class Mumbling(Upstream):
        def data_received(self, data: bytes) -> None:
            super().data_received(data.replace(b"amber1", b"umber1"))

    assert "wrong" in complaints(run(CALM, Parts(upstream=Mumbling)))


def test_a_slot_that_never_comes_back_is_seen() -> None:
    class Keeping(Admission):
        def freed(self, *_who: object) -> None:
            """Keeps it."""

    few = msgspec.structs.replace(CALM, requests=6, jobs=0.0)
    assert "slots are still held" in complaints(run(few, Parts(admission=Keeping)))


class Boastful(Hive):
    """Has room for everything, and says nothing of what its workers take."""

    def has_room(self) -> bool:
        return True

    def heartbeat(self) -> Heartbeat:
        beat = super().heartbeat()
        beat.node.ram_used_mb = 0.0
        for model in beat.models or ():
            model.size_bytes = model.memory_bytes = None
        for worker in beat.workers:
            worker.rss_mb = 0.0
        return beat


def test_memory_that_is_promised_twice_is_seen() -> None:
    crowded = msgspec.structs.replace(CALM, hives=1, rooms=1, models=2)
    assert "memory of hive-0 is oversubscribed" in complaints(run(crowded, Parts(hive=Boastful)))


def test_a_second_spawn_for_one_need_is_seen() -> None:
    class Secretive(Hive):
        def heartbeat(self) -> Heartbeat:
            beat = super().heartbeat()
            beat.workers = [row for row in beat.workers if row.status != "starting"]
            return beat

        async def _spawn(self, job: Job, asked: WorkerSpawn) -> None:
            assert job.id
            self._made_for(asked)

    slow = msgspec.structs.replace(CALM, slow_hives=3)
    assert "is spawned while" in complaints(run(slow, Parts(hive=Secretive)))


class _Forgetful(Disk):
    def write(self, entry: Entry) -> None:
        if not isinstance(entry, Accepted):
            super().write(entry)
            self.rows.clear()


class _Stuttering(Disk):
    def write(self, entry: Entry) -> None:
        super().write(entry)
        if isinstance(entry, Changed):
            super().write(entry)


def on(kind: type[Disk]) -> Parts:
    def journal(disk: Disk) -> DiskJournal:
        disk.__class__ = kind
        return DiskJournal(disk)

    return Parts(journal=journal)


def test_a_job_that_is_lost_is_seen() -> None:
    only_jobs = msgspec.structs.replace(CALM, jobs=1.0, requests=10)
    assert "accepted and is not kept" in complaints(run(only_jobs, on(_Forgetful)))


def test_a_job_that_ends_twice_is_seen() -> None:
    only_jobs = msgspec.structs.replace(CALM, jobs=1.0, requests=10)
    assert "ended 2 times" in complaints(run(only_jobs, on(_Stuttering)))


def test_a_task_that_nobody_ends_is_seen() -> None:
    assert "leaked" in complaints(run(CALM, Parts(leak=True)))
