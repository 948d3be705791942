"""Real child processes: seen ending at once, zombies dead, whole trees ended."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import msgspec
import psutil
import pytest

from rbee.foundation.processes import (
    ProcessMark,
    end_tree,
    is_alive,
    kill_tree,
    mark,
    port_owner,
    spawn_detached,
    wait_exit,
)

pytestmark = [pytest.mark.system, pytest.mark.anyio]

DEADLINE_S = 10.0
SLEEP = "import time; time.sleep(60)"
IGNORES_TERM = (
    f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); {SLEEP}"
)
PARENT = (
    "import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', sys.argv[1]]); "
    "print(child.pid, flush=True); child.wait()"
)

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def starting(code: str, *arguments: str) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-c", code, *arguments]
        child = subprocess.Popen(argv, stdout=subprocess.PIPE)
        started.append(child)
        return child

    yield starting
    for child in started:
        child.kill()
        child.wait()
        if child.stdout:
            child.stdout.close()


def marked(pid: int) -> ProcessMark:
    found = mark(pid)
    assert found is not None
    return found


def first_line(child: subprocess.Popen[bytes]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().decode().strip()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_running_process_has_a_mark(start: Start) -> None:
    known = marked(start(SLEEP).pid)
    assert is_alive(known)
    assert mark(2**22 + 1) is None


def test_a_reused_pid_is_another_process(start: Start) -> None:
    known = marked(start(SLEEP).pid)
    earlier = msgspec.structs.replace(known, started=known.started - 1)
    other_boot = msgspec.structs.replace(known, boot="another")
    assert not is_alive(earlier)
    assert not is_alive(other_boot)


@pytest.mark.skipif(sys.platform == "win32", reason="no zombies there")
def test_a_zombie_is_dead(start: Start) -> None:
    child = start(SLEEP)
    known = marked(child.pid)
    child.kill()
    # Nobody has waited for it: the process table still has it.
    wait_until(lambda: psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE)
    assert mark(child.pid) is None
    assert not is_alive(known)


async def test_an_end_is_seen_at_once(start: Start) -> None:
    child = start(SLEEP)
    known = marked(child.pid)
    with anyio.fail_after(DEADLINE_S):
        async with anyio.create_task_group() as group:
            group.start_soon(wait_exit, known)
            await anyio.lowlevel.checkpoint()
            child.kill()
    assert not is_alive(known)


async def test_waiting_for_what_has_ended_returns(start: Start) -> None:
    child = start("pass")
    known = ProcessMark(pid=child.pid, started=1.0, boot="another")
    child.wait()
    with anyio.fail_after(DEADLINE_S):
        await wait_exit(known)
    # A pid that lives again as another process is not waited for either.
    with anyio.fail_after(DEADLINE_S):
        await wait_exit(ProcessMark(pid=os.getpid(), started=1.0, boot="another"))


async def test_a_tree_ends_with_its_grandchildren(start: Start) -> None:
    child = start(PARENT, SLEEP)
    grandchild = marked(int(first_line(child)))
    known = marked(child.pid)
    with anyio.fail_after(DEADLINE_S):
        assert await end_tree(known, grace_s=5)
        await wait_exit(grandchild)
    assert not is_alive(known)
    assert not is_alive(grandchild)
    assert await end_tree(known, grace_s=5), "ending it twice is the same as once"


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGTERM there")
async def test_who_does_not_listen_is_killed(start: Start) -> None:
    child = start(IGNORES_TERM)
    known = marked(child.pid)
    first_line_of = first_line(child)
    assert first_line_of == ""
    with anyio.fail_after(DEADLINE_S):
        assert not await end_tree(known, grace_s=0.1)
    assert not is_alive(known)


async def test_kill_tree_takes_all(start: Start) -> None:
    child = start(PARENT, IGNORES_TERM)
    grandchild = marked(int(first_line(child)))
    known = marked(child.pid)
    kill_tree(known)
    with anyio.fail_after(DEADLINE_S):
        await wait_exit(known)
        await wait_exit(grandchild)


async def test_a_detached_process_has_its_own_session_and_log(tmp_path: Path) -> None:
    log = tmp_path / "out.log"
    log.write_text("before\n", encoding="utf-8")
    code = "import os, sys; print(os.environ['WHO'], sys.stdin.read() == '', flush=True)"
    child = spawn_detached([sys.executable, "-c", code], log=log, env={**os.environ, "WHO": "bee"})
    with anyio.fail_after(DEADLINE_S):
        await anyio.to_thread.run_sync(child.wait)
    assert log.read_text(encoding="utf-8") == "before\nbee True\n"


@pytest.mark.skipif(sys.platform == "win32", reason="no sessions there")
async def test_a_detached_process_leads_its_session(tmp_path: Path) -> None:
    child = spawn_detached([sys.executable, "-c", SLEEP], log=tmp_path / "log")
    known = marked(child.pid)
    try:
        assert os.getsid(child.pid) == child.pid
    finally:
        kill_tree(known)
        child.wait()


def test_who_has_a_port() -> None:
    assert port_owner(1) is None
