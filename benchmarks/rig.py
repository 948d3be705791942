"""What a benchmark runs against: one real queen, one worker, and us as the hive.

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
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

import httpx2
import msgspec
import psutil
from load import Target

from rbee.contracts.hives import Heartbeat, HiveInfo, NodeStats
from rbee.contracts.models import Model
from rbee.contracts.workers import WorkerStats
from rbee.foundation.daemon import Announcement
from rbee.testing.starter import cached_starter
from rbee.testing.workers import free_port, running_worker
from rbee.worker.engines.script import Script

Backend = Literal["mock", "scripted", "real"]

MODEL = "starter"
SLOTS = 256  # more than the most connections: the queue is not what is measured
_BEAT_EVERY_S = 1.0  # as hives do
_START_S = 30.0  # a queen is up in under a second; a loaded machine needs more


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
    """
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rbee-bench-")))
        direct, pid = stack.enter_context(_worker(backend, home / "worker", events))
        announced = stack.enter_context(_queen(home))
        stop = threading.Event()
        beats = threading.Thread(target=_beat, args=(announced.base_url, direct, pid, stop))
        beats.start()
        stack.callback(beats.join)
        stack.callback(stop.set)
        _wait_listed(announced.base_url)
        process = psutil.Process(announced.process.pid)
        yield Rig(direct, Target("queen", announced.port), process)


@contextmanager
def _worker(backend: Backend, home: Path, events: int) -> Generator[tuple[Target, int]]:
    if backend == "mock":
        port = free_port()
        script = Path(__file__).with_name("mock_worker.py")
        process = subprocess.Popen([sys.executable, str(script), str(port), str(events)])
        try:
            yield Target("direct", port, "no-key-is-checked"), process.pid
        finally:
            process.kill()
            process.wait()
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
def _queen(home: Path) -> Generator[Announcement]:
    moved = {f"RBEE_{name}_DIR": str(home / name.lower()) for name in ("CONFIG", "CACHE", "DATA")}
    environment = {name: text for name, text in os.environ.items() if name[:5] != "RBEE_"} | moved
    argv = [sys.executable, "-m", "rbee", "queen", "run", "--port", "0"]
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


def _beat(queen_url: str, direct: Target, pid: int, stop: threading.Event) -> None:
    with httpx2.Client(base_url=queen_url) as client:
        while True:
            message = msgspec.json.encode(_heartbeat(direct, pid))
            client.post("/v1/hive-heartbeat", content=message)
            if stop.wait(_BEAT_EVERY_S):
                return


def _heartbeat(direct: Target, pid: int) -> Heartbeat:
    worker = WorkerStats(
        worker_id="worker-1",
        model=MODEL,
        engine="benchmark",
        status="ready",
        port=direct.port,
        device="CPU-0",
        pid=pid,
        slots_total=SLOTS,
        slots_busy=0,
        unary_cancel=True,
    )
    return Heartbeat(
        hive_id="bench",
        hive_info=HiveInfo(
            id="bench", hostname="bench", address="127.0.0.1", port=7835, version="0"
        ),
        node=NodeStats(),
        workers=[worker],
        timestamp=time.time(),
        models=[Model(id=MODEL, name=MODEL)],
        worker_keys={"worker-1": direct.key or ""},
    )


def _wait_listed(queen_url: str) -> None:
    deadline = time.monotonic() + _START_S
    with httpx2.Client(base_url=queen_url) as client:
        while MODEL not in client.get("/v1/models").text:
            if time.monotonic() > deadline:
                raise RuntimeError("the queen does not know the worker")
            time.sleep(0.02)
