"""A hive that is played: a machine with memory, workers on it, and a daemon that may crash.

It beats each second and at every change, spawns and drains as it is told (its job
routes are the real ones, on a real job server), starts again what died, and finds its
workers when its daemon comes back. It judges memory itself, as real hives do.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

import httpx2
from starlette.applications import Starlette

from rbee.contracts.hives import (
    Capabilities,
    Device,
    EngineInfo,
    Heartbeat,
    HeartbeatAck,
    HiveInfo,
    NodeStats,
    Wanted,
)
from rbee.contracts.jobs import WorkerProcessDelete, WorkerSpawn, decode_operation
from rbee.contracts.models import Model
from rbee.contracts.principals import Principal
from rbee.contracts.workers import WorkerStats, as_process
from rbee.errors import EngineError, OutOfMemory, RbeeError, WorkerNotFound
from rbee.foundation.http.jobs_api import job_routes
from rbee.foundation.http.problems import problem_response
from rbee.foundation.jobserver import Job, JobServer
from rbee.testing.simulation.workers import MIB, Pace, Worker
from rbee.testing.simulation.world import World

BEAT_S: Final = 1.0  # as real hives beat (wire.md)
LOOK_S: Final = 1.0  # a death is seen within this
DRAIN_S: Final = 30.0  # then a worker ends whatever it is at
RESTARTS_MAX: Final = 3  # rule 5 of reliability.md
RESTARTS_IN_S: Final = 60.0  # the same rule
SETTLED_S: Final = 10.0  # rule 5 of reliability.md: a death so long after ready costs no budget
ERROR_SHOWN_S: Final = 30.0  # long enough for every beat that may be lost

HIVE_PORT: Final = 7835

Beat = Callable[[Heartbeat], HeartbeatAck | None]
"""How the queen takes a beat; None when there is no queen."""


class Hive:
    """One machine."""

    def __init__(
        self,
        world: World,
        number: int,
        beat: Beat,
        on_refused: "Callable[[Hive], None]",
    ) -> None:
        self.id = f"hive-{number}"
        self.address = f"10.0.0.{number + 1}"
        self.path = world.path()
        self.workers: dict[str, Worker] = {}
        self.total_bytes = int(world.worker_bytes * (world.scenario.rooms + 0.3))
        self.blemished_at = float("-inf")
        self.slowness = 1.0
        self.up = True
        self.app: httpx2.ASGITransport | None = None
        self._world = world
        self._beat = beat
        self._on_refused = on_refused
        self._commands: dict[str, str] = {}
        self._told: set[str] = set()
        self._pids: dict[tuple[str, int], int] = {}
        self._wanted: set[Wanted] = {"capabilities", "models", "worker_keys"}
        self._made = 0
        self._changed = asyncio.Event()
        self._daemon: asyncio.Task[None] | None = None
        self._chores: set[asyncio.Task[None]] = set()

    # ── the machine ───────────────────────────────────────────────────────────

    @property
    def held_bytes(self) -> int:
        """What living processes hold."""
        return sum(one.size_bytes for one in self.workers.values() if one.alive)

    @property
    def promised_bytes(self) -> int:
        """That, and what starts again will need."""
        return sum(one.size_bytes for one in self.workers.values() if one.status != "error")

    def has_room(self) -> bool:
        """Whether one more worker fits."""
        return self.promised_bytes + self._world.worker_bytes <= self.total_bytes

    def start(self) -> None:
        """Start the daemon."""
        self.up = True
        self._wanted = {"capabilities", "models", "worker_keys"}
        self._daemon = asyncio.create_task(self._live(), name=self.id)

    def crash(self) -> None:
        """The daemon dies; its workers live on."""
        self.blemished_at = self._world.now
        self.up, self.app = False, None
        if self._daemon is not None:
            self._daemon.cancel()
        self.touch()

    def lose_power(self) -> None:
        """The machine is gone, with all that ran on it."""
        self.crash()
        for worker in self.workers.values():
            worker.kill()
        self.workers.clear()

    async def end(self) -> None:
        """The simulation is over."""
        self.crash()
        tasks = [*self._chores, *([self._daemon] if self._daemon else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for worker in self.workers.values():
            worker.kill()

    def touch(self) -> None:
        """Something changed: whoever waits looks again, and the queen hears of it."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def gone_down(self) -> None:
        """Return when the daemon dies."""
        while self.up:
            await self._changed.wait()

    # ── the daemon ────────────────────────────────────────────────────────────

    async def _live(self) -> None:
        async with JobServer(actor="hive", now=self._world.wall) as jobs:

            def submit(body: bytes, _who: Principal) -> Job:
                return self._submit(jobs, body)

            app = Starlette(
                routes=job_routes(jobs, submit), exception_handlers={RbeeError: problem_response}
            )
            self.app = httpx2.ASGITransport(app=app)
            while True:
                self._send_beat()
                changed = self._changed
                with suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), BEAT_S * self.slowness)

    def _submit(self, jobs: JobServer, body: bytes) -> Job:
        operation = decode_operation(body)
        match operation:
            case WorkerSpawn():
                return jobs.submit("worker_spawn", lambda job: self._spawn(job, operation))
            case WorkerProcessDelete():
                return jobs.submit("worker_delete", lambda _job: self._delete(operation))
            case _:
                raise EngineError("not played")

    async def _spawn(self, job: Job, asked: WorkerSpawn) -> None:
        job.emit("worker_spawn_start", f"Starting {asked.model}")
        worker_id = self._commands.get(asked.command_id or "")
        if worker_id is None:
            worker_id = self._made_for(asked)
        job.emit("worker_spawn_progress", worker_id, data={"worker_id": worker_id})
        while (worker := self.workers.get(worker_id)) is not None and worker.status == "starting":
            await self._changed.wait()
        if worker is None or worker.status not in {"ready", "busy"}:
            raise EngineError(f"{worker_id} did not start.")
        job.emit("worker_spawn_complete", "ready", type="data", data=as_process(self.stats(worker)))

    def _made_for(self, asked: WorkerSpawn) -> str:
        world = self._world
        if not self.has_room():
            world.notes.counts["refused for memory"] += 1
            self._on_refused(self)
            raise OutOfMemory(f"{self.id} has no room for {asked.model}.")
        self._made += 1
        worker_id = f"{self.id}-w{self._made}"
        if asked.command_id:
            self._commands[asked.command_id] = worker_id
        self._launch(worker_id, asked.model, generation=1)
        return worker_id

    async def _delete(self, asked: WorkerProcessDelete) -> None:
        worker = self.workers.get(asked.worker_id or "")
        if worker is None:
            raise WorkerNotFound(f"{asked.worker_id} is not here.")
        worker.status = "draining"
        self.touch()
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                while worker.alive and worker.at_work:  # noqa: ASYNC110  a process is asked
                    await asyncio.sleep(0.05)
        worker.kill()
        if self.workers.get(worker.worker_id) is worker:
            del self.workers[worker.worker_id]
        self.touch()

    # ── workers ───────────────────────────────────────────────────────────────

    def kill(self, worker: Worker) -> None:
        """A process dies unasked; the hive finds it within a second."""
        if not worker.alive:
            return
        worker.kill()
        self._chore(self._see_death(worker))

    def _launch(
        self, worker_id: str, model: str, *, generation: int, restarts: list[float] | None = None
    ) -> None:
        world = self._world
        pace, slow = world.pace, self.slowness
        worker = self.workers[worker_id] = Worker(
            worker_id=worker_id,
            model=model,
            generation=generation,
            address=self.address,
            port=9_000 + world.pid() % 50_000,
            size_bytes=world.worker_bytes,
            slots=world.scenario.slots,
            pace=Pace(
                load_s=pace.load_s * slow * world.dice.uniform(0.5, 1.5),
                first_s=pace.first_s * slow,
                token_s=pace.token_s * slow,
            ),
            dice=world.dice,
        )
        worker.restarts = restarts or []
        self._pids[worker_id, generation] = world.pid()
        world.notes.counts["loads"] += 1
        self._chore(self._load(worker))
        self.touch()

    async def _load(self, worker: Worker) -> None:
        await asyncio.sleep(worker.pace.load_s)
        if self._world.dice.random() < self._world.scenario.failing_loads:
            self.kill(worker)
        if worker.alive and worker.status == "starting":
            worker.status = "ready"
            worker.ready_at = worker.idle_since = self._world.now
            self.touch()

    async def _see_death(self, worker: Worker) -> None:
        await asyncio.sleep(LOOK_S * self._world.dice.random())
        while not self.up:  # noqa: ASYNC110  nobody looks while the daemon is away
            await asyncio.sleep(LOOK_S)
        if self.workers.get(worker.worker_id) is not worker or worker.status == "draining":
            return
        now = self._world.now
        ready_for_s = 0.0 if worker.ready_at is None else now - worker.ready_at
        if worker.status == "starting" or ready_for_s < SETTLED_S:
            worker.restarts = [at for at in worker.restarts if now - at < RESTARTS_IN_S] + [now]
        if len(worker.restarts) <= RESTARTS_MAX:
            generation = worker.generation + 1
            self._launch(
                worker.worker_id, worker.model, generation=generation, restarts=worker.restarts
            )
            return
        worker.status = "error"
        self.touch()
        await asyncio.sleep(ERROR_SHOWN_S)
        if self.workers.get(worker.worker_id) is worker:
            del self.workers[worker.worker_id]

    def _chore(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

    # ── beats ─────────────────────────────────────────────────────────────────

    def stats(self, worker: Worker) -> WorkerStats:
        """A worker's row in a beat."""
        serving = worker.status in {"ready", "busy"}
        idle = serving and not worker.at_work and worker.idle_since is not None
        return WorkerStats(
            worker_id=worker.worker_id,
            model=worker.model,
            engine="simulated",
            status="busy" if serving and worker.at_work else worker.status,
            port=worker.port,
            device="CPU-0",
            address=worker.address,
            pid=self._pids[worker.worker_id, worker.generation],
            generation=worker.generation,
            restarts=worker.generation - 1,
            slots_total=worker.slots if serving else None,
            slots_busy=worker.busy if serving else None,
            queued=len(worker.line) if serving else None,
            rss_mb=worker.size_bytes / MIB if worker.alive else 0.0,
            context_length=8_192,
            load_s=worker.pace.load_s if serving else None,
            idle_s=self._world.now - (worker.idle_since or 0.0) if idle else None,
        )

    def heartbeat(self) -> Heartbeat:
        """What it tells the queen now."""
        world, wanted = self._world, set(self._wanted)
        keys = dict.fromkeys(self.workers, "secret")
        fresh = "worker_keys" in wanted or not keys.keys() <= self._told
        used_mb = self.held_bytes / MIB
        return Heartbeat(
            hive_id=self.id,
            hive_info=HiveInfo(
                id=self.id,
                hostname=self.id,
                address=self.address,
                port=HIVE_PORT,
                version="0",
            ),
            node=NodeStats(cpu_pct=1.0, ram_used_mb=used_mb, ram_total_mb=self.total_bytes / MIB),
            workers=[self.stats(worker) for worker in self.workers.values()],
            timestamp=world.wall(),
            capabilities=self._capabilities() if "capabilities" in wanted else None,
            models=self._models() if "models" in wanted else None,
            worker_keys=keys if fresh else None,
        )

    def _send_beat(self) -> None:
        world, beat = self._world, self.heartbeat()
        world.notes.counts["beats"] += 1
        loop = asyncio.get_running_loop()
        copies = 2 if world.dice.random() < world.scenario.doubled else 1
        for _ in range(copies):
            if not self.path.loses(world.now):
                loop.call_at(self.path.arrival(world.now), self._arrive, beat)

    def _arrive(self, beat: Heartbeat) -> None:
        ack = self._beat(beat)
        now = self._world.now
        if ack is not None and not self.path.loses(now):
            loop = asyncio.get_running_loop()
            loop.call_at(self.path.arrival(now), self._acked, ack, set(beat.worker_keys or ()))

    def _acked(self, ack: HeartbeatAck, told: set[str]) -> None:
        self._wanted = set(ack.wanted)
        self._told |= told

    def _models(self) -> list[Model]:
        size = self._world.worker_bytes
        return [
            Model(
                id=name,
                name=name,
                size_bytes=size,
                memory_bytes=size,
                chat_template=True,
                load_s=self._world.pace.load_s * self.slowness,
            )
            for name in self._world.models
        ]

    def _capabilities(self) -> Capabilities:
        total_mb = self.total_bytes // MIB
        cpu = Device(id="CPU-0", name="CPU", device_type="cpu", memory_mb=total_mb)
        engine = EngineInfo(name="simulated", usable=True, device_types=["cpu"])
        return Capabilities(
            devices=[cpu], cpu_cores=8, total_ram_gb=total_mb / 1024, engines=[engine]
        )
