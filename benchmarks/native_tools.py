"""The mock worker and the load generator in C: built here, run here, their figures as structs.

Both are one thread around epoll, so that what is measured is the proxy between
them and not the measuring. They are compiled into ``build/bench`` when their
source is newer. Linux and a C compiler are needed; everything else under
``benchmarks/`` does without.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Final, Literal, NamedTuple

import httpx2
import msgspec

from rbee.testing.workers import free_port

SOURCE: Final = Path(__file__).with_name("native")
BUILT: Final = Path(__file__).parents[1] / "build" / "bench"
MODEL: Final = "starter"
BURST: Final = 1  # events a write of a stream without pauses: an engine sends them one by one
_CPUS: Final = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else [0]
PROXY_CPU: Final = _CPUS[0]
LOAD_CPU: Final = _CPUS[-1]  # the same where there is only one: then no figure means much
START_WITHIN_S: Final = 10.0
LOAD_WITHIN_S: Final = 300.0  # the longest window is under a minute; this is where a run hangs
_FLAGS: Final = ("-O2", "-Wall", "-Wextra")

Mode = Literal["loop", "stall", "cancel"]
Program = Literal["mock", "load"]


class Unbuildable(RuntimeError):
    """The programs cannot be built or run here; the text says what is missing."""


class Quantiles(msgspec.Struct, frozen=True):
    """Of one kind of time, milliseconds."""

    count: int
    p50_ms: float
    p99_ms: float
    max_ms: float


class LoadFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What ``load loop`` and ``load stall`` saw in their window of ``window_s``.

    ``opening`` is the first token of each connection's first answer, from its
    connect on; a stream without one counts with the time it had (``starved``).
    ``first`` and ``whole`` are of later answers, from the request on.
    ``cpu_*`` and ``rss_mb`` belong to the processes watched.
    """

    window_s: float
    answers: int
    events: int
    bytes: int
    failures: int
    bad_status: int
    status: int
    starved: int
    cpu_user_s: float
    cpu_system_s: float
    load_cpu_s: float
    mock_cpu_s: float
    opening: Quantiles | None
    first: Quantiles | None
    whole: Quantiles | None
    rss_mb: list[float]


class CancelFigures(msgspec.Struct, frozen=True, kw_only=True):
    """From a client's leaving until the worker saw it. ``never``: not within 3 s."""

    answers: int
    never: int
    cancel: Quantiles | None


class Mock(NamedTuple):
    """A running mock: one process, a worker on each port."""

    ports: Sequence[int]
    pid: int


def program(name: Program) -> Path:
    """The built program, compiled anew when its source is newer.

    Raises:
        Unbuildable: no Linux, no compiler, or the compiler refused.
    """
    if sys.platform != "linux":
        raise Unbuildable("The native benchmarks need Linux (epoll, /proc).")
    source, target = SOURCE / f"{name}.c", BUILT / name
    newest = max(path.stat().st_mtime for path in SOURCE.iterdir())
    if target.exists() and target.stat().st_mtime >= newest:
        return target
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise Unbuildable(
            "No C compiler found: the mock worker and the load generator are C programs. "
            "On Debian and Ubuntu: apt install gcc libc6-dev."
        )
    BUILT.mkdir(parents=True, exist_ok=True)
    argv = [compiler, *_FLAGS, "-o", str(target), str(source)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unbuildable(f"{' '.join(argv)} failed:\n{done.stderr}")
    return target


@contextlib.contextmanager
def running_mock(workers: int = 1, *, cpu: int = -1, burst: int = BURST) -> Generator[Mock]:
    """A mock worker on each of so many ports, on one CPU (-1: any).

    Raises:
        Unbuildable: as ``program``.
        RuntimeError: it did not start.
    """
    ports = [free_port() for _ in range(workers)]
    argv = [str(program("mock")), str(cpu), str(burst), MODEL, *map(str, ports)]
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
    try:
        wait_answers(f"http://127.0.0.1:{ports[-1]}/health", process)
        yield Mock(ports, process.pid)
    finally:
        process.kill()
        process.wait()


def wait_answers(
    url: str, process: subprocess.Popen[bytes], within_s: float = START_WITHIN_S
) -> None:
    """Return when ``url`` answers 200.

    Raises:
        RuntimeError: the process ended, or the time did.
    """
    deadline = time.monotonic() + within_s
    while True:
        with contextlib.suppress(httpx2.TransportError):
            if httpx2.get(url, timeout=2).status_code == HTTPStatus.OK:
                return
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"{url} did not answer within {within_s:.0f} s")
        time.sleep(0.05)


def run_load(mode: Mode, port: int, body: Path, options: Mapping[str, object]) -> LoadFigures:
    """Load ``port`` with the request of ``body``; ``options`` as load.c's head lists them.

    Raises:
        RuntimeError: the generator gave up; with its reason.
    """
    return msgspec.json.decode(_run(mode, port, body, options), type=LoadFigures)


def run_cancels(port: int, body: Path, options: Mapping[str, object]) -> CancelFigures:
    """Leave answers in the middle, one after the other.

    Raises:
        RuntimeError: the generator gave up; with its reason.
    """
    return msgspec.json.decode(_run("cancel", port, body, options), type=CancelFigures)


def _run(mode: Mode, port: int, body: Path, options: Mapping[str, object]) -> bytes:
    pairs = [f"{name.replace('_', '-')}={value}" for name, value in options.items()]
    argv = [str(program("load")), mode, str(port), str(body), *pairs]
    done = subprocess.run(argv, capture_output=True, timeout=LOAD_WITHIN_S, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.decode().strip() or f"load ended with {done.returncode}")
    return done.stdout
