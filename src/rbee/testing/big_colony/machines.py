"""A played machine: what it says in its next beat. Pure, but for its own random numbers.

Its figures hang together: a GPU that works is warm and draws power, a worker with busy
slots makes tokens and takes its GPU's time, a download's bytes grow. They wander, and
come back to the machine's own mean.
"""

import math
import random

import msgspec

from rbee.contracts.hives import (
    Capabilities,
    Device,
    DeviceProblem,
    EngineInfo,
    GpuStats,
    Heartbeat,
    HiveInfo,
    NodeStats,
    Wanted,
)
from rbee.contracts.models import Download
from rbee.contracts.workers import WorkerStats, WorkerStatus
from rbee.testing.big_colony.scenarios import HivePlan, WorkerPlan

MIB = 1024 * 1024
ROOM_TEMP_C = 31.0
DOWNLOAD_BYTES_S = 180 * MIB  # two gigabit lines
CRASH_EVERY_S = 15.0  # a hive gives a worker three restarts a minute
_SECRET = "played"  # noqa: S105  what a played worker asks for: nothing


class _Worker:
    """A played worker."""

    def __init__(self, plan: WorkerPlan, worker_id: str, dice: random.Random) -> None:
        self.plan = plan
        self.id = worker_id
        self.busy = 0
        self.requests = dice.randrange(200, 90_000)
        self.generation = 1
        self.idle_s = 0.0
        self.up_s = dice.uniform(600, 400_000)

    def step(self, heat: float, dice: random.Random) -> None:
        """One second passes."""
        self.up_s += 1.0
        if self.plan.fate == "crashing" and self.up_s % CRASH_EVERY_S < 1.0:
            self.generation += 1
        wish = heat * self.plan.slots + dice.gauss(0, self.plan.slots / 6)
        self.busy = min(self.plan.slots, max(0, round(wish)))
        self.requests += self.busy
        self.idle_s = 0.0 if self.busy else self.idle_s + 1.0

    @property
    def status(self) -> WorkerStatus:
        match self.plan.fate:
            case "loading":
                return "starting"
            case "failed":
                return "error"
            case "draining":
                return "draining"
            case _:
                return "busy" if self.busy else "ready"


class Machine:
    """One hive's body. ``seed`` makes it the same each time; ``port`` is its workers'."""

    def __init__(self, plan: HivePlan, *, seed: int, port: int) -> None:
        self.plan = plan
        self._dice = random.Random(seed)  # noqa: S311  figures, not secrets
        self._port = port
        self._phase = self._dice.uniform(0, 2 * math.pi)
        self._seconds = 0
        self._utils = [plan.heat * 100] * plan.gpus
        self._downloads = [msgspec.structs.replace(one) for one in plan.downloads]
        self.workers = [
            _Worker(one, f"{plan.hive_id}-w{n + 1}", self._dice)
            for n, one in enumerate(plan.workers)
        ]

    @property
    def is_silent(self) -> bool:
        """Whether it is heard no more."""
        limit_s = self.plan.silent_after_s
        return limit_s is not None and self._seconds >= limit_s

    def beat(self, at: float, wanted: set[Wanted]) -> Heartbeat:
        """The next second, at Unix time ``at``, with what the queen wants to know."""
        self._seconds += 1
        wave = 0.25 * math.sin(self._phase + self._seconds / 40)
        heat = min(1.0, max(0.0, self.plan.heat + wave))
        for worker in self.workers:
            worker.step(heat, self._dice)
        for download in self._downloads:
            self._step(download)
        return Heartbeat(
            hive_id=self.plan.hive_id,
            hive_info=self._info(),
            node=self._node(heat),
            workers=[self._stats(worker) for worker in self.workers],
            timestamp=at,
            capabilities=self._capabilities() if "capabilities" in wanted else None,
            models=self.plan.models if "models" in wanted else None,
            worker_keys={worker.id: _SECRET for worker in self.workers}
            if "worker_keys" in wanted
            else None,
            downloads=self._downloads,
        )

    def _info(self) -> HiveInfo:
        return HiveInfo(
            id=self.plan.hive_id,
            hostname=f"{self.plan.hive_id}.lab",
            address=f"10.20.{sum(map(ord, self.plan.hive_id)) % 250}.{self._port % 250 + 1}",
            port=0,
            version=self.plan.version,
            labels=self.plan.labels,
            outbound_only=True,
            health_status="degraded" if self.plan.device_problem else "healthy",
        )

    def _node(self, heat: float) -> NodeStats:
        dice, plan = self._dice, self.plan
        held = 0.0
        gpus: list[GpuStats] = []
        for n in range(plan.gpus):
            mean = heat * 100 if any(n in one.plan.gpus for one in self.workers) else 0.0
            util = self._utils[n] * 0.6 + mean * 0.4 + dice.gauss(0, 6)
            self._utils[n] = min(100.0, max(0.0, util))
            gpus.append(self._gpu(n))
        for worker in self.workers:
            held += 900 + worker.busy * 40
        return NodeStats(
            cpu_pct=min(100.0, max(0.5, heat * 40 + dice.gauss(0, 3))),
            ram_used_mb=plan.ram_gb * 1024 * 0.12 + held + dice.uniform(0, 64),
            ram_total_mb=plan.ram_gb * 1024.0,
            disk_free_mb=210.0 if plan.hive_id == "disk-full" else 1_480_000.0 - self._seconds,
            gpus=gpus,
        )

    def _gpu(self, n: int) -> GpuStats:
        kind = self.plan.gpu
        assert kind is not None, "a machine with GPUs names their kind"  # noqa: S101  a test kit
        util = self._utils[n]
        sharing = [one for one in self.workers if n in one.plan.gpus]
        share = 0.62 if sharing else 0.004
        return GpuStats(
            id=f"GPU-{n}",
            util_pct=util,
            vram_used_mb=kind.memory_mb * (share + util * 0.002 * bool(sharing)),
            vram_total_mb=float(kind.memory_mb),
            temp_c=ROOM_TEMP_C + util * 0.48 + self._dice.gauss(0, 0.7),
            power_w=kind.idle_w + (kind.full_w - kind.idle_w) * util / 100,
        )

    def _stats(self, worker: _Worker) -> WorkerStats:
        plan = worker.plan
        loads = plan.fate == "loading"
        return WorkerStats(
            worker_id=worker.id,
            model=plan.model,
            engine="xllamacpp",
            status=worker.status,
            port=self._port,
            device=",".join(f"GPU-{n}" for n in plan.gpus) or "CPU-0",
            pid=10_000 + worker.generation,
            generation=worker.generation,
            restarts=worker.generation - 1,
            slots_total=plan.slots,
            slots_busy=None if loads else worker.busy,
            queued=None if loads else max(0, worker.busy - plan.slots + 1),
            cpu_pct=6.0 + worker.busy * 3.1,
            rss_mb=900.0 + worker.busy * 40,
            uptime_s=worker.up_s,
            gpu_util_pct=self._utils[plan.gpus[0]] if plan.gpus else None,
            vram_mb=9_400.0 if plan.gpus else None,
            total_vram_mb=float(self.plan.gpu.memory_mb) if self.plan.gpu else None,
            tokens_per_s=None if loads else worker.busy * self._dice.uniform(31, 39),
            requests_total=worker.requests,
            context_length=32_768,
            load_s=None if loads else 8.4,
            idle_s=worker.idle_s if not worker.busy and not loads else None,
            reason=_REASONS.get(plan.fate),
        )

    def _step(self, download: Download) -> None:
        if download.state != "running" or download.total is None:
            return
        speed = DOWNLOAD_BYTES_S * self._dice.uniform(0.8, 1.1)
        download.bytes = int(download.bytes + speed) % download.total
        download.rate_bytes_s = speed
        download.eta_s = (download.total - download.bytes) / speed

    def _capabilities(self) -> Capabilities:
        plan = self.plan
        devices = [
            Device(
                id="CPU-0",
                name="AMD EPYC 9554 64-Core Processor",
                device_type="cpu",
                memory_mb=plan.ram_gb * 1024,
                instruction_sets=["avx2", "avx512f"],
            )
        ]
        kind = plan.gpu
        if kind is not None:
            devices += [
                Device(
                    id=f"GPU-{n}",
                    name=kind.name,
                    device_type="cuda",
                    vram_gb=round(kind.memory_mb / 1024, 1),
                    memory_mb=kind.memory_mb,
                    compute_capability=kind.generation,
                    driver="570.86.15",
                    vendor="NVIDIA",
                    uuid=f"GPU-{plan.hive_id}-{n}",
                    index=n,
                    memory_total_mb=float(kind.memory_mb),
                )
                for n in range(plan.gpus)
            ]
        problem, fault = plan.device_problem, plan.engine_problem
        return Capabilities(
            devices=devices,
            cpu_cores=plan.cores,
            total_ram_gb=float(plan.ram_gb),
            engines=[
                EngineInfo(
                    name="xllamacpp", usable=True, version="b9052", device_types=["cpu", "cuda"]
                ),
                EngineInfo(name="vllm", usable=fault is None, reason=fault, device_types=["cuda"]),
            ],
            device_problems=[]
            if problem is None
            else [DeviceProblem(vendor="NVIDIA", reason=problem)],
        )


_REASONS = {
    "failed": "The engine ended while it loaded: CUDA error: out of memory (needs 41.2 GiB, "
    "23.1 GiB are free).",
    "crashing": "The engine ended with SIGSEGV.",
}
