"""A hive without any port: started, used, cut off and stopped, all over its link."""

import os
import subprocess
import sys
from pathlib import Path

import httpx2
import psutil

from rbee.testing.colony import Colony, DaemonUnderTest
from rbee.testing.waiting import until_now
from rbee.testing.workers import free_port

ASK = {"model": "scripted", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}
BACK_WITHIN_S = 5.0


def ask(queen: DaemonUnderTest) -> bool:
    with_s = httpx2.Timeout(30)
    answer = httpx2.post(f"{queen.url}/v1/chat/completions", json=ASK, timeout=with_s)
    return answer.status_code == 200 and bool(answer.json()["choices"])


def listening(pid: int) -> list[int]:
    return [
        found.laddr.port
        for found in psutil.Process(pid).net_connections(kind="inet")
        if found.status == psutil.CONN_LISTEN
    ]


def live_figures(queen: DaemonUnderTest, count: int) -> list[str]:
    """So many of the hive's seconds, as clients of the live stream get them."""
    found: list[str] = []
    with httpx2.stream("GET", f"{queen.url}/v1/heartbeats/stream", timeout=10) as answer:
        for line in answer.iter_lines():
            if '"hive_telemetry"' in line:
                found.append(line)
                if len(found) == count:
                    break
    return found


def workers_of(colony: Colony) -> set[int]:
    return {process.pid for process in colony.worker_processes()}


def test_a_hive_without_a_port_serves_and_outlives_its_queen(tmp_path: Path) -> None:
    with Colony(tmp_path) as colony:
        queen = colony.queen()
        hive = colony.hive(start=False, outbound_only="1").start(wait=False)
        until_now(lambda: "hive linked" in queen.said)
        assert ask(queen)  # spawned over the link
        assert not listening(hive.pid)
        assert len(live_figures(queen, 3)) == 3  # the first one is from before; beats bring more
        workers = workers_of(colony)

        queen.kill()
        queen.start()
        until_now(lambda: queen.said.count("hive linked") == 2, within_s=BACK_WITHIN_S)
        assert ask(queen)
        assert workers_of(colony) == workers  # nothing was spawned twice, nothing killed

        assert hive.stop() == 0
        assert not workers_of(colony)


def test_the_command_line_knows_a_hive_without_a_port(tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("RBEE_")}
    env |= {f"RBEE_{which}_DIR": str(tmp_path / which) for which in ("CONFIG", "CACHE", "DATA")}
    env |= {"RBEE_HIVE_SCRIPTED_ENGINE": "1", "RBEE_HIVE_DISCOVER": "0"}
    env["RBEE_HIVE_PORT"] = str(free_port())

    def rbee(*words: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "rbee", *words]
        return subprocess.run(
            command, env=env, capture_output=True, text=True, timeout=60, check=False
        )

    nowhere = f"http://127.0.0.1:{free_port()}"
    try:
        started = rbee("hive", "start", "--outbound-only", "--queen", nowhere)
        assert started.returncode == 0, started.stderr
        assert "without a port" in started.stderr
        shown = rbee("hive", "status")
        assert shown.returncode == 0
        assert "without a port" in shown.stdout
    finally:
        stopped = rbee("hive", "stop")
    assert stopped.returncode == 0, stopped.stderr
    assert "has stopped" in stopped.stderr
    assert rbee("hive", "status").returncode == 3
