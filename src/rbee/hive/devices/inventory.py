"""The devices of this machine: found, named, read each second, found anew on request.

Every probe is asked in a thread of its own, because drivers hang: after
``PROBE_S`` the answer is given up, the reason is shown, and the probe is not
asked again before that thread has come back. Ids are ours: ``GPU-0``, ``GPU-1``
and so on over all makers, ``CPU-0`` last; an id never changes its device while
the hive runs. Asked by ``app`` (beats, capabilities) and ``operations`` (spawn).
"""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from threading import Thread
from typing import Any, Final, TypeVar

import anyio
import msgspec
import psutil

from rbee.contracts.hives import Device, DeviceProblem, GpuStats
from rbee.foundation import logs
from rbee.hive.devices.amd import AmdProbe
from rbee.hive.devices.apple import AppleProbe
from rbee.hive.devices.cpu import CpuProbe
from rbee.hive.devices.nvidia import NvidiaProbe
from rbee.hive.devices.probe import DeviceProbe, ProbeFailed
from rbee.hive.devices.usage import Used

T = TypeVar("T")

PROBE_S: Final = 5.0  # a healthy driver answers in 1 s, a cold one in 3; after that it hangs
STALE_READS: Final = 3  # a reading that three newer ones should have replaced is unknown
JOINED_KEPT_S: Final = 0.5  # a beat asks once for each worker; a reading's age may pass meanwhile
ANCESTORS_MAX: Final = 8  # an engine's own helpers are one or two deep

_log = logs.get(__name__)


def all_probes() -> list[DeviceProbe]:
    """One of every maker; those without such devices find none."""
    return [NvidiaProbe(), AmdProbe(), AppleProbe(), CpuProbe()]


class _Look(msgspec.Struct, frozen=True, kw_only=True):
    """One reading of one probe, under the probe's own ids."""

    stats: dict[str, GpuStats]
    used: list[Used]
    at_s: float


class _Joined(msgspec.Struct, frozen=True, kw_only=True):
    """Facts and readings of all probes, under our ids."""

    devices: list[Device]
    used: list[Used]
    at_s: float


class _Watched:
    """A probe, what it found, and the question that it has not answered yet."""

    def __init__(self, probe: DeviceProbe) -> None:
        self.probe = probe
        self.devices: list[Device] = []
        self.look: _Look | None = None
        self.reason: str | None = None
        self.one_at_a_time = anyio.Lock()  # a refresh may come while it is being read
        self._asked: Future[Any] | None = None
        self._parents: dict[int, tuple[int, ...]] = {}

    async def ask(self, work: Callable[[], T], limit_s: float) -> T:
        """What ``work`` returns, in a thread.

        Raises:
            ProbeFailed: its own, or it took longer than ``limit_s``.
        """
        if self._asked is not None and not self._asked.done():
            raise ProbeFailed("it hangs: an earlier question has not been answered yet")
        future: Future[T] = Future()
        # The answer is looked at, not the thread: that lives on for a moment after it.
        self._asked = future
        # A daemon thread: a driver that never returns must not keep the hive from ending.
        Thread(target=_run, args=(work, future), daemon=True).start()
        try:
            with anyio.fail_after(limit_s):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            raise ProbeFailed(f"it did not answer within {limit_s:g} s") from None

    def read(self) -> _Look:
        """One look, in the probe's thread."""
        stats = {stats.id: stats for stats in self.probe.read()}
        processes = self.probe.processes()
        known = self._parents  # a process keeps its parents while it stays on the device
        pids = {process.pid for process in processes}
        self._parents = {pid: known[pid] if pid in known else ancestors(pid) for pid in pids}
        used = [Used(process=p, ancestors=self._parents[p.pid]) for p in processes]
        return _Look(stats=stats, used=used, at_s=time.monotonic())

    def fresh(self, now_s: float) -> _Look | None:
        """The last look, unless it is too old to be true."""
        oldest_s = STALE_READS * self.probe.read_every_s
        return self.look if self.look and now_s - self.look.at_s <= oldest_s else None


class Inventory:
    """All devices. ``detect`` first, then ``run`` beside everything else."""

    def __init__(
        self, probes: Sequence[DeviceProbe] | None = None, *, limit_s: float = PROBE_S
    ) -> None:
        self._watched = [_Watched(probe) for probe in (all_probes() if probes is None else probes)]
        self._limit_s = limit_s
        self._names: dict[tuple[str, str], str] = {}
        self._joined: _Joined | None = None
        self.revision = 0
        """Grows when another set of devices, or another problem, was found."""

    async def detect(self) -> bool:
        """Look anew for devices of every maker; whether anything changed. Never raises."""
        before = self._facts()
        async with anyio.create_task_group() as group:
            for watched in self._watched:
                group.start_soon(self._detect, watched)
        self._give_names()
        self._joined = None
        changed = self._facts() != before
        self.revision += changed or self.revision == 0
        if changed:
            ids = [device.id for device in self.devices()]
            _log.info("devices", found=ids, problems=len(self.problems()))
        return changed

    async def run(self) -> None:
        """Read every probe's devices at its own pace until cancelled."""
        async with anyio.create_task_group() as group:
            for watched in self._watched:
                group.start_soon(self._keep_reading, watched)

    def devices(self) -> list[Device]:
        """All devices with the last reading of each; GPUs first, the CPU last."""
        return list(self._now().devices)

    def gpus(self) -> list[GpuStats]:
        """The telemetry of all GPUs; null where the last reading is too old."""
        now_s = time.monotonic()
        found: list[GpuStats] = []
        for watched in self._watched:
            look = watched.fresh(now_s)
            for device in watched.devices:
                if device.device_type == "cpu":
                    continue
                stats = look.stats.get(device.id) if look else None
                stats = stats or GpuStats(id=device.id, vram_total_mb=device.memory_total_mb)
                found.append(msgspec.structs.replace(stats, id=self._name(watched, device)))
        return found

    def used(self) -> list[Used]:
        """Which processes compute on which GPU, under our ids."""
        return list(self._now().used)

    def _now(self) -> _Joined:
        """Everything joined; kept until something new is read, or old readings may expire."""
        now_s = time.monotonic()
        if self._joined is not None and now_s - self._joined.at_s < JOINED_KEPT_S:
            return self._joined
        devices: list[Device] = []
        used: list[Used] = []
        for watched in self._watched:
            look = watched.fresh(now_s)
            names = {device.id: self._name(watched, device) for device in watched.devices}
            for device in watched.devices:
                stats = look.stats.get(device.id) if look else None
                devices.append(_as_now(device, names[device.id], stats))
            for row in look.used if look else ():
                name = names.get(row.process.device_id, row.process.device_id)
                process = msgspec.structs.replace(row.process, device_id=name)
                used.append(msgspec.structs.replace(row, process=process))
        self._joined = _Joined(devices=sorted(devices, key=_order), used=used, at_s=now_s)
        return self._joined

    def problems(self) -> list[DeviceProblem]:
        """Why not all is known of some maker's devices."""
        return [
            DeviceProblem(vendor=watched.probe.vendor, reason=watched.reason)
            for watched in self._watched
            if watched.reason is not None
        ]

    async def _detect(self, watched: _Watched) -> None:
        async with watched.one_at_a_time:
            try:
                watched.devices = await watched.ask(watched.probe.detect, self._limit_s)
                watched.look, watched.reason = None, None
            except ProbeFailed as error:
                watched.devices, watched.look = [], None
                self._note(watched, str(error))

    async def _keep_reading(self, watched: _Watched) -> None:
        while True:
            began_s = time.monotonic()
            if watched.devices:
                await self._read(watched)
            left_s = watched.probe.read_every_s - (time.monotonic() - began_s)
            await anyio.sleep(max(0.0, left_s))

    async def _read(self, watched: _Watched) -> None:
        async with watched.one_at_a_time:
            try:
                watched.look = await watched.ask(watched.read, self._limit_s)
            except ProbeFailed as error:
                self._note(watched, str(error))
            else:
                self._note(watched, None)
            self._joined = None

    def _note(self, watched: _Watched, reason: str | None) -> None:
        if watched.reason == reason:
            return
        watched.reason = reason
        self.revision += 1
        if reason is not None:
            _log.warning("devices unknown", vendor=watched.probe.vendor, reason=reason)

    def _facts(self) -> list[tuple[str, str, str | None, str | None, str | None]]:
        """What makes a set of devices another one."""
        return [
            (watched.probe.vendor, device.id, device.uuid, device.driver, device.reason)
            for watched in self._watched
            for device in watched.devices
        ]

    # ── names ────────────────────────────────────────────────────────────────

    def _give_names(self) -> None:
        """Number the GPUs; who has a number keeps it, also while it is away."""
        for watched in self._watched:
            for device in watched.devices:
                key = _key(watched, device)
                if device.device_type != "cpu" and key not in self._names:
                    self._names[key] = f"GPU-{len(self._names)}"

    def _name(self, watched: _Watched, device: Device) -> str:
        return self._names.get(_key(watched, device), device.id)


def ancestors(pid: int) -> tuple[int, ...]:
    """A process's parents, nearest first; as far as they can be seen."""
    try:
        parents = psutil.Process(pid).parents()
    except psutil.Error:
        return ()  # of another namespace, or gone
    return tuple(parent.pid for parent in parents[:ANCESTORS_MAX])


def _run(work: Callable[[], T], future: "Future[T]") -> None:
    """The thread's body: everything that ``work`` does reaches whoever waits."""
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except ProbeFailed as failed:
        future.set_exception(failed)
    except Exception as error:  # noqa: BLE001  a maker's code may raise anything: a reason, no crash
        future.set_exception(ProbeFailed(f"{type(error).__name__}: {error}"))
    else:
        future.set_result(result)


def _key(watched: _Watched, device: Device) -> tuple[str, str]:
    return watched.probe.vendor, device.uuid or device.id


def _as_now(device: Device, name: str, stats: GpuStats | None) -> Device:
    """A device under our name, with its last reading; what is not read any more is unknown."""
    if stats is None:
        return msgspec.structs.replace(device, id=name)
    total_mb = stats.vram_total_mb if stats.vram_total_mb is not None else device.memory_total_mb
    used_mb, free_mb = stats.vram_used_mb, device.memory_free_mb
    if free_mb is not None and total_mb is not None and used_mb is not None:
        free_mb = round(max(0.0, total_mb - used_mb), 1)
    return msgspec.structs.replace(
        device,
        id=name,
        memory_total_mb=total_mb,
        memory_used_mb=used_mb,
        memory_free_mb=free_mb,
        util_pct=stats.util_pct,
        temp_c=stats.temp_c,
        power_w=stats.power_w,
    )


def _order(device: Device) -> tuple[bool, float, str]:
    _, _, number = device.id.rpartition("-")
    return device.device_type == "cpu", float(number) if number.isdecimal() else math.inf, device.id
