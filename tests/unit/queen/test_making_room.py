"""The control loop with too little memory: who goes, who stays, where a failed spawn goes next."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx2
import pytest

from rbee.contracts.jobs import Operation, WorkerProcessDelete, WorkerSpawn
from rbee.contracts.models import Model
from rbee.contracts.workers import WorkerProcess, WorkerStats
from rbee.errors import EngineError, HiveUnreachable
from rbee.foundation.jobserver import Job
from rbee.queen.placement_settings import PlacementSettings
from rbee.queen.settings import Settings
from rbee.testing.queens import RunningQueen, running_queen
from rbee.testing.raw_worker import Conversation, beat, raw_worker, ready_worker
from rbee.testing.stub_hive import Play, StubHive, stub_hive
from rbee.testing.waiting import until
from unit.queen.views import GIB

pytestmark = pytest.mark.anyio

AT_ONCE = PlacementSettings(evict_idle_s=0.0, evict_grace_s=0.0)


@pytest.fixture(autouse=True)
def _own_data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RBEE_DATA_DIR", str(tmp_path))


class SmallHives:
    """Hives with 16,000 MiB each, of which a worker of m or n takes more than half."""

    def __init__(self, running: RunningQueen, port: int) -> None:
        self.running = running
        self.port = port
        self.workers: dict[str, list[WorkerStats]] = {}
        self._beats = 0

    def show(self, hive_id: str, *models: str) -> None:
        """A beat with a ready worker for each of ``models``."""
        self._beats += 1
        workers = [ready_worker(f"{hive_id}-{name}", self.port, model=name) for name in models]
        for worker in workers:
            worker.slots_busy = 0
        one = beat(workers, hive_id=hive_id, at=float(self._beats))
        one.node.ram_total_mb, one.node.ram_used_mb = 16_000.0, 0.0
        one.models = [
            Model(id=name, name=name, size_bytes=8 * GIB, chat_template=True) for name in "mn"
        ]
        self.workers[hive_id] = workers
        self.running.queen.colony.beat(one, anyio.current_time())

    def process(self, hive_id: str, model: str) -> WorkerProcess:
        return WorkerProcess(
            pid=1,
            worker_id=f"{hive_id}-{model}",
            model=model,
            port=self.port,
            device="CPU-0",
            engine="raw",
            status="ready",
        )

    def obey(self, job: Job, operation: Operation) -> None:
        """Do what a hive would, at once."""
        match operation:
            case WorkerProcessDelete(worker_id=worker_id):
                hive_id, _, model = str(worker_id).partition("-")
                left = [one.model for one in self.workers[hive_id] if one.model != model]
                self.show(hive_id, *left)
                job.emit("worker_proc_del_ok", "stopped")
            case WorkerSpawn(model=model, hive_id=hive_id):
                assert hive_id is not None
                here = [one.model for one in self.workers[hive_id]]
                self.show(hive_id, *here, model)
                process = self.process(hive_id, model)
                job.emit("worker_spawn_complete", "ready", type="data", data=process)
            case _:
                raise AssertionError(operation)


@asynccontextmanager
async def small_hives(
    play: Play, port: int, *names: str, settings: PlacementSettings = AT_ONCE
) -> AsyncGenerator[tuple[SmallHives, StubHive]]:
    async with (
        stub_hive(play) as stub,
        running_queen(
            settings=Settings(quiet_s=0.1, placement=settings), hive_http=stub.transport
        ) as running,
    ):
        hives = SmallHives(running, port)
        for name in names:
            hives.show(name)
        yield hives, stub


async def says_hello(conversation: Conversation) -> None:
    await conversation.stream({"choices": [{"index": 0, "delta": {"content": "hello"}}]})


async def ask(hives: SmallHives, model: str) -> httpx2.Response:
    body: dict[str, object] = {"model": model, "messages": [], "stream": True}
    return await hives.running.http.post("/v1/chat/completions", json=body)


def kinds(operations: Sequence[Operation]) -> list[str]:
    return [type(operation).__name__ for operation in operations]


async def test_an_idle_model_gives_way_to_the_one_that_is_asked_for() -> None:
    async with raw_worker(says_hello) as port:

        async def play(job: Job, operation: Operation) -> None:
            if isinstance(operation, WorkerProcessDelete):
                assert hives.running.queen.colony.serving("n") == []  # drained before it is told
            hives.obey(job, operation)

        evicted: list[tuple[str, str]] = []
        placed: list[list[str]] = []
        async with small_hives(play, port, "a") as (hives, stub):
            hooks = hives.running.queen.reconciler.hooks
            hooks.on_evict = lambda model, reason: evicted.append((model, reason))
            hooks.on_placed = lambda _model, lines: placed.append(lines)
            hives.show("a", "n")
            answer = await ask(hives, "m")
            assert answer.status_code == 200
            assert kinds(stub.operations) == ["WorkerProcessDelete", "WorkerSpawn"]
            assert evicted == [("n", "room")]
            assert "n (idle" in placed[0][0]


async def test_a_model_at_work_is_waited_for_and_then_gives_way() -> None:
    go_on = anyio.Event()

    async def slow(conversation: Conversation) -> None:
        if b'"n"' in conversation.body:
            await go_on.wait()
        await says_hello(conversation)

    async with raw_worker(slow) as port:

        async def play(job: Job, operation: Operation) -> None:
            hives.obey(job, operation)

        async with small_hives(play, port, "a") as (hives, stub):
            hives.show("a", "n")
            at_work = asyncio.create_task(ask(hives, "n"))
            await until(lambda: hives.running.queen.reconciler.hooks.running("a-n") == 1)
            asked = asyncio.create_task(ask(hives, "m"))
            await until(lambda: hives.running.queen.demand.total == 1)
            await anyio.sleep(0.1)  # rounds enough for a mistake
            assert stub.operations == []
            go_on.set()
            assert (await at_work).status_code == 200
            assert (await asked).status_code == 200
            assert kinds(stub.operations) == ["WorkerProcessDelete", "WorkerSpawn"]


async def test_a_worker_that_cannot_be_stopped_serves_again_and_the_reason_is_told() -> None:
    async with raw_worker(says_hello) as port:

        async def play(_job: Job, _operation: Operation) -> None:
            raise HiveUnreachable("the hive does not answer")

        async with small_hives(play, port, "a") as (hives, stub):
            hives.show("a", "n")
            answer = await ask(hives, "m")
            assert answer.status_code == 503
            assert "does not answer" in answer.text
            assert kinds(stub.operations) == ["WorkerProcessDelete"]
            assert len(hives.running.queen.colony.serving("n")) == 1


async def test_a_spawn_that_fails_is_done_by_another_hive_and_the_client_sees_success() -> None:
    async with raw_worker(says_hello) as port:

        async def play(job: Job, operation: Operation) -> None:
            if operation.hive_id == "a":
                raise EngineError("the engine crashed")
            hives.obey(job, operation)

        spawns: list[tuple[str, bool]] = []
        async with small_hives(play, port, "a", "b") as (hives, stub):
            hooks = hives.running.queen.reconciler.hooks
            hooks.on_spawn = lambda model, ok, _seconds: spawns.append((model, ok))
            assert (await ask(hives, "m")).status_code == 200
            assert [operation.hive_id for operation in stub.operations] == ["a", "b"]
            await until(lambda: len(spawns) == 2)
            assert spawns == [("m", False), ("m", True)]
            # The hive that failed is taken only because the other one is full.
            plan = hives.running.queen.reconciler.plan("n")
            assert (plan.outcome, plan.hive_id) == ("spawn", "a")
            assert any("last spawns failed" in reason for reason in plan.why)


async def test_what_nobody_uses_is_unloaded_after_its_keep_alive() -> None:
    async with raw_worker(says_hello) as port:

        async def play(job: Job, operation: Operation) -> None:
            hives.obey(job, operation)

        evicted: list[tuple[str, str]] = []
        settings = PlacementSettings(keep_alive_s=0.3)
        async with small_hives(play, port, "a", settings=settings) as (hives, stub):
            hooks = hives.running.queen.reconciler.hooks
            hooks.on_evict = lambda model, reason: evicted.append((model, reason))
            hives.show("a", "n")
            await until(lambda: evicted == [("n", "keep_alive")])
            assert kinds(stub.operations) == ["WorkerProcessDelete"]


async def test_a_plan_says_what_a_request_would_lead_to_and_does_nothing() -> None:
    async with raw_worker(says_hello) as port:

        async def play(_job: Job, operation: Operation) -> None:
            raise AssertionError(operation)

        async with small_hives(play, port, "a") as (hives, stub):
            http = hives.running.http

            async def plan(query: str) -> httpx2.Response:
                return await http.get(f"/v1/plan?{query}")

            spawn = (await plan("model=m")).json()
            assert (spawn["outcome"], spawn["hive_id"], spawn["device"]) == ("spawn", "a", "CPU-0")
            assert (spawn["download_bytes"], spawn["ready_in_s"]) == (0, None)
            hives.show("a", "n")
            served = (await plan("model=n")).json()
            assert (served["outcome"], served["workers"]) == ("serving", ["a-n"])
            evict = (await plan("model=m&hive_id=a")).json()
            assert evict["outcome"] == "evict"
            assert [row["worker_id"] for row in evict["evict"]] == ["a-n"]
            assert "too little memory" in evict["options"][0]["reason"]
            assert (await plan("model=nonsense")).status_code == 404
            assert (await plan("")).status_code == 400
            unknown = await plan("model=m&hive_id=nowhere")
            assert (unknown.status_code, unknown.json()["code"]) == (404, "hive_not_found")
            assert stub.operations == []
