"""The command line against a real colony: what a user types, sees, and leaves behind."""

import json
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from rbee.keeper import daemons
from rbee.testing.operator import Operator
from rbee.testing.waiting import until_now

pytestmark = pytest.mark.system

MODEL = "scripted-bee"


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    with Operator(tmp_path) as found:
        yield found


@pytest.fixture
def with_starter(tmp_path: Path, starter_path: Path) -> Iterator[Operator]:
    with Operator(tmp_path, cache=starter_path.parents[2]) as found:
        yield found


@pytest.fixture
def colony(operator: Operator, tmp_path: Path) -> Operator:
    """A colony with one scripted worker that takes its time: 100 tokens, 20 ms each."""
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"tokens": 100, "delay_token_s": 0.02}))
    operator.env["RBEE_HIVE_SCRIPT"] = str(script)
    start_scripted(operator)
    return operator


def start_scripted(operator: Operator) -> None:
    operator.env["RBEE_HIVE_SCRIPTED_ENGINE"] = "1"
    for words in (["queen", "start"], ["hive", "start"], ["worker", "spawn", MODEL]):
        done(operator.rbee(*words))


def done(finished: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    assert finished.returncode == 0, finished.stderr
    return finished


def refused(finished: subprocess.CompletedProcess[str], code: int = 1) -> str:
    """Stderr of a command that failed as a command should."""
    assert finished.returncode == code, finished.stderr
    assert "Traceback" not in finished.stderr
    assert "rbee: " in finished.stderr
    assert "  → " in finished.stderr
    return finished.stderr


def nothing_left(operator: Operator) -> None:
    until_now(lambda: not operator.left_running())


def infer_jobs(operator: Operator) -> list[str]:
    jobs = httpx2.get(f"{operator.queen_url}/v1/jobs").json()["jobs"]
    return [job["status"] for job in jobs if job["operation"] == "infer"]


def test_from_nothing_to_an_answer_and_back_to_nothing(with_starter: Operator) -> None:
    found = done(with_starter.rbee("infer", "Say hi", "--max-tokens", "6"))
    assert found.stdout.strip()
    assert "tok/s, first token" in found.stderr
    nothing_left(with_starter)


def test_up_in_the_background_and_down(with_starter: Operator) -> None:
    up = done(with_starter.rbee("up", "-d", "--no-browser"))
    assert with_starter.queen_url in up.stdout
    assert "starter" in up.stdout
    assert "others" not in up.stdout  # this machine alone reaches it
    assert "runs already" in done(with_starter.rbee("up", "-d")).stdout
    status = json.loads(done(with_starter.rbee("status", "--json")).stdout)
    assert status["queen"]["base_url"] == with_starter.queen_url
    assert [hive["state"] for hive in status["hives"]] == ["fresh"]
    assert [model["id"] for model in status["models"]] == ["starter"]
    assert "starter" in done(with_starter.rbee("status")).stdout
    for room in ("queen", "hive"):
        assert json.loads(done(with_starter.rbee(room, "status", "--json")).stdout)["running"]
        assert "already runs" in done(with_starter.rbee(room, "start")).stderr
    assert done(with_starter.rbee("logs", "hive")).stdout.strip()
    done(with_starter.rbee("down"))
    assert with_starter.rbee("queen", "status").returncode == 3
    nothing_left(with_starter)


def test_up_for_other_machines_makes_a_key_and_locks_the_door(with_starter: Operator) -> None:
    up = done(with_starter.rbee("up", "-d", "--bind", "0.0.0.0"))  # noqa: S104  the case
    assert "Made a key for this colony" in up.stderr
    assert "Bearer $(cat " in up.stdout
    assert re.search(r"^  others   https://(?!localhost)\S+:\d+/ ", up.stdout, re.MULTILINE)
    assert httpx2.get(f"{with_starter.queen_url}/v1/models").status_code == 401
    assert "starter" in done(with_starter.rbee("status")).stdout  # the file's key is ours
    done(with_starter.rbee("down"))
    nothing_left(with_starter)


def test_up_in_the_foreground_ends_with_ctrl_c(with_starter: Operator) -> None:
    up = with_starter.begin("up")
    assert up.stdout is not None
    assert up.stderr is not None
    assert "is up at" in up.stdout.readline()
    for line in up.stderr:
        if "Ctrl+C stops it" in line:
            break
    up.send_signal(signal.SIGINT)
    up.communicate(timeout=30)
    assert up.returncode == 0
    nothing_left(with_starter)


def test_a_second_ctrl_c_does_not_wait_and_leaves_nothing_behind(with_starter: Operator) -> None:
    up = with_starter.begin("up")
    assert up.stderr is not None
    for line in up.stderr:
        if "Ctrl+C stops it" in line:
            break
    up.send_signal(signal.SIGINT)
    for line in up.stderr:
        if "stopping" in line:
            break
    up.send_signal(signal.SIGINT)
    up.communicate(timeout=30)
    assert up.returncode in {0, 130}  # 0 when all had ended before the second one came
    nothing_left(with_starter)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_in_an_answer_cancels_it_on_the_server(
    colony: Operator, number: signal.Signals
) -> None:
    asking = colony.begin("infer", "-m", MODEL, "Tell me", "--max-tokens", "400")
    assert asking.stdout is not None
    assert asking.stdout.read(1)
    asking.send_signal(number)
    _, err = asking.communicate(timeout=10)
    assert asking.returncode == 130
    assert "Cancelled" in err
    assert "Traceback" not in err
    assert infer_jobs(colony) == ["cancelled"]
    assert done(colony.rbee("queen", "status")).stdout, "it was not started by this command"


def test_a_reader_that_leaves_ends_the_answer_quietly(colony: Operator) -> None:
    asking = colony.begin("infer", "-m", MODEL, "Tell me", "--max-tokens", "400")
    assert asking.stdout is not None
    assert asking.stderr is not None
    asking.stdout.read(1)
    asking.stdout.close()
    assert asking.wait(10) == 141
    assert asking.stderr.read() == ""
    asking.stderr.close()
    until_now(lambda: infer_jobs(colony) == ["cancelled"])


def test_a_reader_that_leaves_ends_the_help_too(colony: Operator) -> None:
    asking = colony.begin("worker", "--help")
    assert asking.stdout is not None
    asking.stdout.close()
    assert asking.wait(30) == 141
    assert asking.stderr is not None
    assert asking.stderr.read() == ""
    asking.stderr.close()


def test_an_answer_as_json_and_at_once(colony: Operator) -> None:
    words = ("infer", "-m", MODEL, "--max-tokens", "5", "Say hi")
    found = json.loads(done(colony.rbee(*words, "--json")).stdout)
    assert found["text"]
    assert found["tokens"] == 5
    assert found["worker_id"]
    streamed = done(colony.rbee(*words)).stdout
    assert done(colony.rbee(*words, "--no-stream")).stdout == streamed == found["text"] + "\n"
    piped = done(colony.rbee("infer", "-m", MODEL, "--max-tokens", "5", "-", stdin="Say hi"))
    assert piped.stdout == streamed


def test_a_chat_in_a_pipe(colony: Operator) -> None:
    said = done(colony.rbee("chat", MODEL, stdin="Hello\n/system Be brief.\n/nonsense\n/quit\n"))
    assert said.stdout.strip()
    assert "/nonsense" in said.stderr
    assert infer_jobs(colony) == []


def test_workers_and_models_by_hand(colony: Operator) -> None:
    (worker,) = json.loads(done(colony.rbee("worker", "list", "--json")).stdout)
    assert worker["model"] == MODEL
    name = worker["worker_id"]
    for way in (["--hive", f"localhost:{colony.hive_port}"], ["--queen", colony.queen_url]):
        assert name in done(colony.rbee("worker", "list", *way)).stdout
    assert name in done(colony.rbee("worker", "get", name)).stdout
    assert name in done(colony.rbee("worker", "get", str(worker["pid"]), "--json")).stdout
    done(colony.rbee("worker", "logs", name))
    done(colony.rbee("worker", "stop", name))
    settings = ("--slots", "2", "--context-length", "1024", "--device", "cpu")
    own = json.loads(done(colony.rbee("worker", "spawn", MODEL, *settings, "--json")).stdout)
    again = json.loads(done(colony.rbee("worker", "restart", own["worker_id"], "--json")).stdout)
    kept = json.loads(done(colony.rbee("worker", "get", again["worker_id"], "--json")).stdout)
    assert (again["worker_id"], kept["generation"]) == (own["worker_id"], 2)
    assert (kept["model"], kept["slots_total"], kept["context_length"]) == (MODEL, 2, 1024)
    assert kept["asked"]["device"] == "cpu"
    assert "fit" in kept  # null here: the scripted engine is not judged
    done(colony.rbee("worker", "stop", "--all"))
    left = json.loads(done(colony.rbee("worker", "list", "--json")).stdout)
    assert not [worker for worker in left if worker["pid"]]
    (model,) = json.loads(done(colony.rbee("model", "list", "--json")).stdout)
    assert model["id"] in done(colony.rbee("model", "list")).stdout


def test_what_is_not_there_is_told_with_a_way_out(colony: Operator) -> None:
    assert "Did you mean `starter`?" in refused(colony.rbee("infer", "-m", "stater", "hi"))
    assert "w-nope" in refused(colony.rbee("worker", "get", "w-nope"))
    assert "99999999" in refused(colony.rbee("worker", "stop", "99999999"))
    refused(colony.rbee("model", "get", "nonsuch"))
    refused(colony.rbee("worker", "spawn", MODEL, "--device", "7"), code=2)
    assert "nonsuch" in refused(colony.rbee("worker", "list", "--hive-id", "nonsuch"))
    assert "is a hive" in refused(colony.rbee("status", "--queen", f"localhost:{colony.hive_port}"))
    refused(colony.rbee("infer", "--max-tokens", "0", "hi"), code=2)


def test_a_queen_that_was_named_is_never_replaced(operator: Operator) -> None:
    said = refused(operator.rbee("infer", "--queen", "http://localhost:1", "hi"))
    assert "http://localhost:1 does not answer" in said
    assert operator.left_running() == []


def test_a_second_queen_is_told_of_the_first(operator: Operator) -> None:
    started = json.loads(done(operator.rbee("queen", "start", "--json")).stdout)
    said = refused(operator.rbee("queen", "run"))
    assert f"taken by an rbee queen (pid {started['pid']})" in said
    said = refused(operator.rbee("hive", "start", "--port", str(operator.queen_port)))
    assert "an rbee queen" in said


def test_a_port_that_a_stranger_has_is_named_with_its_owner(operator: Operator) -> None:
    with socket.create_server(("127.0.0.1", operator.queen_port)):
        said = refused(operator.rbee("queen", "start"))
        assert f"Port {operator.queen_port} is already taken by" in said
        refused(operator.rbee("infer", "hi"))
        nothing_left(operator)
        doctor = operator.rbee("doctor", "--json")
    assert doctor.returncode == 1
    results = {finding["check"]: finding["result"] for finding in json.loads(doctor.stdout)}
    assert results[f"port {operator.queen_port} (queen)"] == "fail"
    assert results[f"port {operator.hive_port} (hive)"] == "ok"


def test_the_doctor_finds_a_sound_colony_sound(colony: Operator) -> None:
    found = json.loads(colony.rbee("doctor", "--json").stdout)
    results = {finding["check"]: finding["result"] for finding in found}
    assert {results[check] for check in ("engine", "queen", "hive", "join")} == {"ok"}


def test_the_doctor_shows_a_broken_settings_file_among_its_findings(operator: Operator) -> None:
    folder = operator.root / "config"
    folder.mkdir()
    (folder / "config.toml").write_text("[queen\n")
    checked = operator.rbee("doctor", "--json")
    assert checked.returncode == 1
    broken = [finding for finding in json.loads(checked.stdout) if finding["check"] == "settings"]
    assert [finding["result"] for finding in broken] == ["fail"]
    assert "config.toml" in broken[0]["message"]


def test_a_setting_that_cannot_be_used_is_told_by_start(operator: Operator) -> None:
    said = refused(operator.rbee("queen", "start", "--bind", "0.0.0.0"))  # noqa: S104  refused
    assert "RBEE_API_KEY" in said
    assert "65535" in refused(operator.rbee("queen", "start", "--port", "70000"))
    refused(operator.rbee("hive", "start", "--queen", "ftp://x"), code=2)
    said = refused(operator.rbee("hive", "start", env={"RBEE_HIVE_SLOTS": "many"}))
    assert "RBEE_HIVE_SLOTS" in said


def test_a_colony_with_a_key_wants_it(operator: Operator) -> None:
    operator.env["RBEE_API_KEY"] = "a-long-made-up-key"
    start_scripted(operator)
    done(operator.rbee("infer", "-m", MODEL, "--max-tokens", "2", "hi"))
    for words in (["status"], ["queen", "status"], ["hive", "stop"], ["worker", "list"], ["down"]):
        assert "RBEE_API_KEY" in refused(operator.rbee(*words, env={"RBEE_API_KEY": ""}))
    done(operator.rbee("down"))
    nothing_left(operator)


@pytest.mark.anyio
async def test_a_daemon_that_hangs_is_ended_by_force(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = json.loads(done(operator.rbee("queen", "start", "--json")).stdout)
    (queen,) = [found for found in operator.left_running() if found.pid == started["pid"]]
    queen.suspend()
    for name in ("RBEE_DATA_DIR", "RBEE_QUEEN_PORT"):
        monkeypatch.setenv(name, operator.env[name])
    monkeypatch.setattr(daemons, "INFO_WAIT_S", 0.2)
    monkeypatch.setattr(daemons, "_TERM_WAIT_S", 0.2)
    told: list[str] = []
    assert await daemons.stop("queen", told.append)
    assert told[-1] == f"the queen ignores TERM: killing pid {queen.pid}"
    nothing_left(operator)
