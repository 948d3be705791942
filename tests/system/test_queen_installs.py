"""The queen puts a hive on another machine herself, over a real sshd, with a key of her own."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from rbee.testing.colony import Colony, DaemonUnderTest
from rbee.testing.sshd import NoSshd, Server, sshd
from rbee.testing.workers import free_port

pytestmark = pytest.mark.system

INSTALL_S = 300.0  # twenty seconds on a quiet machine of two cores


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Server]:
    try:
        with sshd(tmp_path / "box") as server:
            yield server
            _end_all(server.home)
    except NoSshd as error:
        pytest.skip(str(error))


@pytest.fixture
def queen(tmp_path: Path, box: Server) -> Iterator[DaemonUnderTest]:
    """A queen who was given the key that lets her in there."""
    with Colony(tmp_path / "colony") as colony:
        yield colony.queen(ssh_key=str(box.key))


def _end_all(home: Path) -> None:
    """Whatever was started on the machine."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if any(str(home) in word for word in process.cmdline()):
                process.kill()


def _run(queen: DaemonUnderTest, box: Server, **more: object) -> list[dict[str, Any]]:
    """The events of the operation, to its end."""
    asked = {
        "operation": "hive_install",
        "host": f"{box.user}@127.0.0.1:{box.port}",
        "name": "box",
        "settings": {
            "port": str(free_port()),
            "first_worker_port": str(free_port()),
            "scripted_engine": "1",
            "discover": "0",
        },
        "unit": "process",
        **more,
    }
    job = httpx2.post(f"{queen.url}/v1/jobs", json=asked).raise_for_status().json()
    said = httpx2.get(f"{queen.url}{job['sse_url']}", timeout=INSTALL_S).text
    lines = [line[6:] for line in said.splitlines() if line.startswith("data: ")]
    assert lines.pop() == "[DONE]"
    return [json.loads(line) for line in lines]


def test_she_asks_about_a_new_machine_then_installs_there(
    queen: DaemonUnderTest, box: Server
) -> None:
    events = _run(queen, box)
    asked = next(one for one in events if one["action"] == "hive_install_unknown_host")
    assert asked["data"]["fingerprint"] == box.fingerprint
    assert events[-1]["type"] == "error"
    assert not any(box.home.iterdir())  # nothing was done on a machine that nobody vouched for

    wrong = _run(queen, box, fingerprint="SHA256:" + "A" * 43)
    assert "and not SHA256:AAAA" in wrong[-1]["message"]

    looked = _run(queen, box, fingerprint=box.fingerprint, dry_run=True)
    plan = next(one for one in looked if one["action"] == "hive_install_plan")
    assert any("-m pip install" in command for command in plan["data"])
    assert not any(box.home.iterdir())

    # Her list of known hosts has it now: no fingerprint is needed any more.
    done = _run(queen, box)[-1]
    assert done["action"] == "hive_install_complete", done
    assert done["data"]["hive_id"] == "box"
    hives = httpx2.get(f"{queen.url}/v1/hives").json()["hives"]
    assert {hive["hive_id"]: hive["state"] for hive in hives} == {"box": "fresh"}
