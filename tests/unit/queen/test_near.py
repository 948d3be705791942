"""Which hive is on the queen's own machine: by where it speaks from, not by what it says."""

import anyio
import pytest

from rbee.contracts.hives import HiveReady
from rbee.contracts.ids import HiveId
from rbee.errors import InvalidRequest
from rbee.queen.api.heartbeats import is_near
from rbee.queen.registry.colony import Colony
from rbee.queen.registry.workers import RoutableWorker
from rbee.queen.watch import Watch
from rbee.testing.raw_worker import beat, ready_worker
from rbee.testing.waiting import until

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("client", "server", "near"),
    [
        (("127.0.0.1", 5), ("127.0.0.1", 7833), True),
        (("::1", 5), ("::1", 7833), True),
        (("::ffff:127.0.0.1", 5), ("::", 7833), True),
        (("192.168.1.10", 5), ("192.168.1.10", 7833), True),
        (("fe80::1%eth0", 5), ("fe80::1%eth0", 7833), True),
        (("192.168.1.20", 5), ("192.168.1.10", 7833), False),
        (("testclient", 5), ("testserver", 80), None),
        (None, None, None),
    ],
)
def test_near_is_loopback_or_the_address_that_was_dialled(
    client: tuple[str, int] | None, server: tuple[str, int] | None, near: bool | None
) -> None:
    assert is_near({"client": client, "server": server}) is near


@pytest.mark.parametrize("near", [True, None])
def test_a_hive_of_this_machine_may_be_on_loopback(near: bool | None) -> None:
    ready = HiveReady(hive_id="hive", hive_url="http://127.0.0.1:7835")
    assert Colony().ready(ready, 1.0, near=near).status == "accepted"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:7835", "http://localhost:7835", "http://[::1]:1"]
)
def test_a_far_hive_is_told_that_its_address_is_the_queens_own_machine(url: str) -> None:
    with pytest.raises(InvalidRequest, match="her own machine"):
        Colony().ready(HiveReady(hive_id="hive", hive_url=url), 1.0, near=False)


def test_a_cloned_host_name_makes_no_far_hive_local() -> None:
    colony = Colony(hostname="here")
    colony.beat(beat([ready_worker("w1", 9001)]), 1.0, near=False)
    assert not colony.hives()[0].local
    colony.beat(beat([ready_worker("w1", 9001)], at=2.0), 2.0, near=True)
    assert colony.hives()[0].local


async def test_a_silent_far_hives_worker_is_asked_by_its_way_and_never_declared_dead() -> None:
    colony = Colony(hostname="here")
    far = beat([ready_worker("w1", 9001)])
    far.workers[0].address = "10.0.0.7"
    colony.beat(far, anyio.current_time() - 5.0, near=False)
    asked: list[str] = []
    well = True

    async def answers(worker: RoutableWorker) -> bool:
        asked.append(worker.worker_id)
        return well

    async with anyio.create_task_group() as loops:
        loops.start_soon(Watch(colony, answers=answers).run)
        await until(lambda: colony.is_serving("w1"))
        well = False
        before = len(asked)
        await until(lambda: len(asked) >= before + 2)
        loops.cancel_scope.cancel()
    again = beat([ready_worker("w1", 9001)], at=2.0)
    again.workers[0].address = "10.0.0.7"
    colony.beat(again, anyio.current_time(), near=False)
    assert colony.is_serving("w1")
    assert colony.find_hive("hive").id == HiveId("hive")
