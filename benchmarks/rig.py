"""What a benchmark runs against: one real queen, workers, and us as the hive.

The queen is the real process. The worker is the mock, the scripted engine or the
real one; we start it ourselves and tell the queen of it in beats, as its hive
would, so that nothing but queen and worker takes part. Everything lies in a
temporary directory and ends with the ``with`` block.
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Literal, NamedTuple

import httpx2
import msgspec
import psutil
from load import Target
from native_tools import MODEL, running_mock

from rbee.contracts.hives import Heartbeat, HiveInfo, NodeStats
from rbee.contracts.models import Model
from rbee.contracts.workers import WorkerStats
from rbee.foundation.daemon import Announcement
from rbee.testing.starter import cached_starter
from rbee.testing.workers import running_worker
from rbee.worker.engines.script import Script

__all__ = ["MODEL", "BenchWorker", "Rig", "RunningQueen", "rig", "running_queen"]

Backend = Literal["mock", "scripted", "real"]

SLOTS = 2_048  # more than the most connections: the queue is not what is measured
_BEAT_EVERY_S = 1.0  # as hives do
_START_S = 30.0  # a queen is up in under a second; a loaded machine needs more
_UVLOOP = "import uvloop; uvloop.install(); from rbee.__main__ import main; main()"


class BenchWorker(NamedTuple):
    """A worker as its hive would tell of it.

    ``unary_cancel`` false is llama.cpp's truth: the queen asks such a worker for
    a stream and assembles the answer of a client that does not stream.
    """

    port: int
    key: str
    pid: int
    model: str = MODEL
    unary_cancel: bool = True
    slots: int = SLOTS


class RunningQueen(NamedTuple):
    """A queen that knows her workers."""

    port: int
    process: psutil.Process

    def cpu_s(self) -> float:
        """CPU seconds that she has used so far."""
        times = self.process.cpu_times()
        return times.user + times.system


class Rig(NamedTuple):
    """Two ways to the same worker, and the queen's process."""

    direct: Target
    queen: Target
    queen_process: psutil.Process

    def queen_cpu_s(self) -> float:
        """CPU seconds that the queen has used so far."""
        times = self.queen_process.cpu_times()
        return times.user + times.system


@contextmanager
def rig(backend: Backend, *, events: int) -> Generator[Rig]:
    """Start a queen and a worker whose streams have ``events`` tokens.

    Raises:
        RuntimeError: the queen did not start.
        Unbuildable: the mock cannot be built here.
    """
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rbee-bench-")))
        direct, pid = stack.enter_context(_worker(backend, home / "worker", events))
        # llama.cpp goes on when a caller who does not stream leaves, and its hive says so.
        worker = BenchWorker(direct.port, direct.key or "", pid, unary_cancel=backend != "real")
        queen = stack.enter_context(running_queen(home, [worker]))
        yield Rig(direct, Target("queen", queen.port), queen.process)


@contextmanager
def running_queen(
    home: Path,
    workers: Sequence[BenchWorker],
    *,
    key: str | None = None,
    cpu: int | None = None,
    uvloop: bool = False,
) -> Generator[RunningQueen]:
    """A queen who has heard of ``workers``; on one CPU, and with a key to ask for, if given.

    Raises:
        RuntimeError: she did not start, or did not list the workers' models.
    """
    with ExitStack() as stack:
        announced = stack.enter_context(_queen(home, key=key, cpu=cpu, uvloop=uvloop))
        stop = threading.Event()
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        http = stack.enter_context(httpx2.Client(base_url=announced.base_url, headers=headers))
        beats = threading.Thread(target=_beat, args=(http, workers, stop))
        beats.start()
        stack.callback(beats.join)
        stack.callback(stop.set)
        _wait_listed(http, {worker.model for worker in workers})
        yield RunningQueen(announced.port, psutil.Process(announced.process.pid))


@contextmanager
def _worker(backend: Backend, home: Path, events: int) -> Generator[tuple[Target, int]]:
    if backend == "mock":
        with running_mock() as mock:
            yield Target("direct", mock.ports[0], "no-key-is-checked"), mock.pid
        return
    model = None if backend == "scripted" else cached_starter(Path(".cache"))
    with running_worker(
        home,
        engine="scripted" if backend == "scripted" else "xllamacpp",
        model=model,
        script=Script(tokens=events, slots=SLOTS) if backend == "scripted" else None,
        slots=4 if backend == "real" else SLOTS,
        context=8_192,
    ) as worker:
        worker.wait_ready()
        yield Target("direct", worker.port, worker.key), worker.process.pid


@contextmanager
def _queen(
    home: Path, *, key: str | None, cpu: int | None, uvloop: bool
) -> Generator[Announcement]:
    home.mkdir(parents=True, exist_ok=True)
    moved = {f"RBEE_{name}_DIR": str(home / name.lower()) for name in ("CONFIG", "CACHE", "DATA")}
    environment = {name: text for name, text in os.environ.items() if name[:5] != "RBEE_"} | moved
    if key is not None:
        environment["RBEE_API_KEY"] = key
    argv = [sys.executable, *(("-c", _UVLOOP) if uvloop else ("-m", "rbee"))]
    argv += ["queen", "run", "--port", "0"]
    if cpu is not None:
        argv = ["taskset", "-c", str(cpu), *argv]
    log = (home / "queen.log").open("wb")
    process = subprocess.Popen(argv, env=environment, stderr=log, stdin=subprocess.DEVNULL)
    announcement = home / "data" / "run" / "queen.json"
    try:
        deadline = time.monotonic() + _START_S
        while not announcement.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((home / "queen.log").read_text(encoding="utf-8"))
            time.sleep(0.02)
        yield msgspec.json.decode(announcement.read_bytes(), type=Announcement)
    finally:
        process.kill()
        process.wait()
        log.close()


def _beat(http: httpx2.Client, workers: Sequence[BenchWorker], stop: threading.Event) -> None:
    while True:
        with suppress(httpx2.TransportError):  # a queen under full load answers late: beat again
            http.post("/v1/hive-heartbeat", content=msgspec.json.encode(_heartbeat(workers)))
        if stop.wait(_BEAT_EVERY_S):
            return


def _heartbeat(workers: Sequence[BenchWorker]) -> Heartbeat:
    ids = [f"worker-{number}" for number in range(1, len(workers) + 1)]
    stats = [
        WorkerStats(
            worker_id=worker_id,
            model=worker.model,
            engine="benchmark",
            status="ready",
            port=worker.port,
            device="CPU-0",
            pid=worker.pid,
            slots_total=worker.slots,
            slots_busy=0,
            unary_cancel=worker.unary_cancel,
        )
        for worker_id, worker in zip(ids, workers, strict=True)
    ]
    return Heartbeat(
        hive_id="bench",
        hive_info=HiveInfo(
            id="bench", hostname="bench", address="127.0.0.1", port=7835, version="0"
        ),
        node=NodeStats(),
        workers=stats,
        timestamp=time.time(),
        models=[Model(id=model, name=model) for model in sorted({w.model for w in workers})],
        worker_keys={worker_id: worker.key for worker_id, worker in zip(ids, workers, strict=True)},
    )


def _wait_listed(http: httpx2.Client, models: set[str]) -> None:
    deadline = time.monotonic() + _START_S
    while not all(f'"{model}"' in http.get("/v1/models").text for model in models):
        if time.monotonic() > deadline:
            raise RuntimeError("the queen does not know the workers")
        time.sleep(0.02)
