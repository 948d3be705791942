"""The inventory: names that stay, probes that hang or break, readings that age, whose is what."""

import threading
from collections.abc import Callable, Iterator

import anyio
import pytest

from rbee.contracts.hives import Device, GpuStats
from rbee.hive.devices.inventory import Inventory
from rbee.hive.devices.probe import DeviceProbe, GpuProcess, ProbeFailed
from rbee.hive.devices.usage import GpuUse, Used, use_of
from rbee.testing.waiting import until

pytestmark = pytest.mark.anyio


class Scripted:
    """A probe that does what the test says."""

    vendor = "scripted"
    read_every_s = 0.02

    def __init__(self, *uuids: str) -> None:
        self.uuids = list(uuids)
        self.before_detect: Callable[[], object] = list
        self.before_read: Callable[[], object] = list
        self.load = 10.0

    def detect(self) -> list[Device]:
        self.before_detect()
        return [
            Device(
                id=f"own-{n}",
                name="a gpu",
                device_type="cuda",
                uuid=uuid,
                memory_total_mb=1000.0,
                memory_free_mb=1000.0,
            )
            for n, uuid in enumerate(self.uuids)
        ]

    def read(self) -> list[GpuStats]:
        self.before_read()
        return [
            GpuStats(id=f"own-{n}", util_pct=self.load, vram_used_mb=100.0, vram_total_mb=1000.0)
            for n in range(len(self.uuids))
        ]

    def processes(self) -> list[GpuProcess]:
        return [GpuProcess(device_id=f"own-{n}", pid=1, vram_mb=90.0) for n in range(1)]


@pytest.fixture
def hanging() -> Iterator[Callable[[], object]]:
    """Blocks whoever calls it until the test is over."""
    over = threading.Event()
    yield lambda: over.wait(timeout=10)
    over.set()


def refuse() -> None:
    raise ProbeFailed("driver present but NVML failed: for this test")


def explode() -> None:
    raise ZeroDivisionError("for this test")


def names(inventory: Inventory) -> list[tuple[str, str | None]]:
    return [(device.id, device.uuid) for device in inventory.devices()]


async def test_an_id_never_changes_its_device() -> None:
    first, second = Scripted("a", "b"), Scripted("c")
    inventory = Inventory([first, second])
    assert await inventory.detect()
    assert names(inventory) == [("GPU-0", "a"), ("GPU-1", "b"), ("GPU-2", "c")]
    first.uuids = ["b", "new"]
    assert await inventory.detect()
    assert names(inventory) == [("GPU-1", "b"), ("GPU-2", "c"), ("GPU-3", "new")]
    first.uuids = ["a", "b"]
    await inventory.detect()
    assert names(inventory)[0] == ("GPU-0", "a")


async def test_a_look_that_finds_the_same_is_no_change() -> None:
    inventory = Inventory([Scripted("a")])
    await inventory.detect()
    revision = inventory.revision
    assert not await inventory.detect()
    assert inventory.revision == revision


@pytest.mark.parametrize(
    ("fault", "reason"), [(refuse, "driver present"), (explode, "ZeroDivisionError")]
)
async def test_a_probe_that_fails_is_a_reason_and_the_others_are_found(
    fault: Callable[[], None], reason: str
) -> None:
    broken, whole = Scripted("a"), Scripted("b")
    broken.before_detect = fault
    inventory = Inventory([broken, whole])
    await inventory.detect()
    assert [device.uuid for device in inventory.devices()] == ["b"]
    (problem,) = inventory.problems()
    assert problem.vendor == "scripted"
    assert reason in problem.reason


async def test_a_probe_that_hangs_is_cut_and_not_asked_again(
    hanging: Callable[[], object],
) -> None:
    stuck, whole = Scripted("a"), Scripted("b")
    stuck.before_detect = hanging
    inventory = Inventory([stuck, whole], limit_s=0.05)
    with anyio.fail_after(2):
        await inventory.detect()
    assert [device.uuid for device in inventory.devices()] == ["b"]
    assert "did not answer within 0.05 s" in inventory.problems()[0].reason
    with anyio.fail_after(0.5):
        await inventory.detect()
    assert "it hangs" in inventory.problems()[0].reason


async def test_a_probe_that_comes_back_is_used_again() -> None:
    late = threading.Event()
    probe = Scripted("a")
    probe.before_detect = lambda: late.wait(timeout=10)
    inventory = Inventory([probe], limit_s=0.05)
    await inventory.detect()
    assert inventory.devices() == []
    late.set()
    with anyio.fail_after(5):
        while not inventory.devices():
            await inventory.detect()
    assert inventory.problems() == []


async def test_readings_are_joined_and_a_stuck_driver_leaves_them_unknown(
    hanging: Callable[[], object],
) -> None:
    probe = Scripted("a")
    inventory = Inventory([probe], limit_s=0.05)
    await inventory.detect()
    assert inventory.gpus() == [GpuStats(id="GPU-0", vram_total_mb=1000.0)]
    async with anyio.create_task_group() as group:
        group.start_soon(inventory.run)
        await until(lambda: inventory.gpus()[0].util_pct == 10.0)
        probe.load = 55.0
        await until(lambda: inventory.gpus()[0].util_pct == 55.0)
        (device,) = inventory.devices()
        assert (device.util_pct, device.memory_free_mb) == (55.0, 900.0)
        assert [u.process.device_id for u in inventory.used()] == ["GPU-0"]
        revision = inventory.revision
        probe.before_read = hanging
        await until(lambda: bool(inventory.problems()))
        await until(lambda: inventory.gpus()[0].util_pct is None)
        assert inventory.revision > revision
        assert inventory.gpus()[0].vram_total_mb == 1000.0
        group.cancel_scope.cancel()


async def test_two_looks_at_once_ask_one_at_a_time() -> None:
    inside: list[int] = []
    most: list[int] = []
    probe = Scripted("a")

    def count() -> None:
        inside.append(1)
        most.append(len(inside))
        threading.Event().wait(0.01)
        inside.pop()

    probe.before_detect = probe.before_read = count
    inventory = Inventory([probe])
    async with anyio.create_task_group() as group:
        group.start_soon(inventory.run)
        for _ in range(3):
            group.start_soon(inventory.detect)
        await until(lambda: len(most) >= 5)
        group.cancel_scope.cancel()
    assert max(most) == 1
    assert inventory.problems() == []


def test_the_real_probes_fit_the_seam() -> None:
    probe: DeviceProbe = Scripted()
    assert probe.detect() == []


# ── whose is what ────────────────────────────────────────────────────────────

TWO = [
    Device(id=f"GPU-{n}", name="a gpu", device_type="cuda", memory_total_mb=1000.0)
    for n in range(2)
]


def used(
    pid: int, on: str, *parents: int, vram: float | None = 10.0, load: float | None = 40.0
) -> Used:
    process = GpuProcess(device_id=on, pid=pid, vram_mb=vram, util_pct=load)
    return Used(process=process, ancestors=parents)


def test_a_worker_has_what_its_tree_has_on_its_devices() -> None:
    rows = [used(7, "GPU-0"), used(8, "GPU-1", 7, 1, load=20.0), used(9, "GPU-0", 1)]
    ids = ("GPU-0", "GPU-1")
    assert use_of(7, ids, rows, TWO) == GpuUse(util_pct=30.0, vram_mb=20.0, total_vram_mb=2000.0)
    assert use_of(9, ("GPU-0",), rows, TWO).vram_mb == 10.0


def test_what_the_driver_does_not_tell_is_unknown() -> None:
    rows = [used(7, "GPU-0", vram=None, load=None)]
    assert use_of(7, ("GPU-0",), rows, TWO) == GpuUse(total_vram_mb=1000.0)
    assert use_of(8, ("GPU-0",), rows, TWO) == GpuUse(total_vram_mb=1000.0)
    assert use_of(None, ("CPU-0",), [], TWO) == GpuUse()
