"""``rbee keys`` on a real colony: a key is made, used, outlives a killed queen, is revoked at once."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psutil
import pytest

from rbee.testing.operator import Operator
from rbee.testing.waiting import until_now

pytestmark = pytest.mark.system

MODEL = "scripted-bee"
COLONY_KEY = "made-up-colony-key"
ASK = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 3}


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    with Operator(tmp_path) as found:
        found.env |= {"RBEE_API_KEY": COLONY_KEY, "RBEE_HIVE_SCRIPTED_ENGINE": "1"}
        for words in (["queen", "start"], ["hive", "start"], ["worker", "spawn", MODEL]):
            said(found, *words)
        yield found


def said(operator: Operator, *words: str) -> str:
    finished = operator.rbee(*words)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def status(operator: Operator, key: str) -> int:
    return httpx2.post(
        f"{operator.queen_url}/v1/chat/completions",
        json=ASK,
        headers={"authorization": f"Bearer {key}"},
        trust_env=False,
    ).status_code


def kill_queen(operator: Operator) -> None:
    info = httpx2.get(
        f"{operator.queen_url}/v1/info",
        headers={"authorization": f"Bearer {COLONY_KEY}"},
        trust_env=False,
    )
    pid = info.json()["pid"]
    os.kill(pid, signal.SIGKILL)
    until_now(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie")


def test_a_key_from_its_making_to_its_end(operator: Operator) -> None:
    made = operator.rbee("keys", "create", "alice", "--model", "scripted-*", "--expires", "1d")
    assert made.returncode == 0, made.stderr
    key = made.stdout.strip()
    assert key.startswith("rbee_")
    assert key not in made.stderr
    other = json.loads(said(operator, "keys", "create", "other", "--model", "none", "--json"))
    assert (status(operator, key), status(operator, other["key"])) == (200, 403)

    kill_queen(operator)
    said(operator, "queen", "start")
    until_now(lambda: status(operator, key) == 200)

    rows = json.loads(said(operator, "keys", "list", "--json"))
    assert [row["name"] for row in rows] == ["alice", "other"]
    said(operator, "keys", "revoke", "alice")
    assert status(operator, key) == 401
    kill_queen(operator)
    said(operator, "queen", "start")
    assert status(operator, key) in {401, 503}
    until_now(lambda: status(operator, other["key"]) == 403)
    assert status(operator, key) == 401

    for path in operator.root.rglob("*"):
        if path.is_file():
            assert key.encode() not in path.read_bytes(), path


def test_a_clients_key_makes_no_keys(operator: Operator) -> None:
    scopes = ("--scope", "inference", "--scope", "jobs")  # `rbee infer` is a job
    key = said(operator, "keys", "create", "alice", *scopes).strip()
    operator.env["RBEE_API_KEY"] = key
    for words in (["keys", "list"], ["keys", "create", "x"], ["keys", "revoke", "alice"]):
        finished = operator.rbee(*words)
        assert finished.returncode == 1
        assert "wants operator" in finished.stderr
    assert said(operator, "infer", "-m", MODEL, "--queen", operator.queen_url, "hi")
