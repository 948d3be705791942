"""An operator cancels requests of others: their clients hear of it, and the slots are free."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from rbee.testing.operator import Operator
from rbee.testing.waiting import until_now

pytestmark = pytest.mark.system

MODEL = "scripted-bee"
CHAT = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 4000}
WORDS = "An operator cancelled this request."


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """A colony with one worker of one slot that takes a minute for an answer."""
    tmp_path = tmp_path_factory.mktemp("colony")
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"tokens": 3000, "delay_token_s": 0.02}))
    with Operator(tmp_path) as found:
        found.env |= {"RBEE_HIVE_SCRIPT": str(script), "RBEE_HIVE_SCRIPTED_ENGINE": "1"}
        found.env["RBEE_HIVE_SLOTS"] = "1"
        for words in (["queen", "start"], ["hive", "start"], ["worker", "spawn", MODEL]):
            done = found.rbee(*words)
            assert done.returncode == 0, done.stderr
        yield found
        found.rbee("down")


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as found:
        yield found


def requests(operator: Operator, *states: str) -> list[dict[str, Any]]:
    rows = httpx2.get(f"{operator.queen_url}/v1/requests").json()["requests"]
    return [row for row in rows if row["state"] in states]


def the_only(operator: Operator, state: str) -> dict[str, Any]:
    until_now(lambda: len(requests(operator, state)) == 1)
    return requests(operator, state)[0]


def cancel(operator: Operator, job_id: str) -> httpx2.Response:
    return httpx2.delete(f"{operator.queen_url}/v1/requests/{job_id}")


def ask(
    operator: Operator, *, begun: threading.Event | None = None, stream: bool
) -> tuple[int, str]:
    url, body = f"{operator.queen_url}/v1/chat/completions", {**CHAT, "stream": stream}
    text = ""
    with httpx2.Client(timeout=60) as client, client.stream("POST", url, json=body) as answer:
        for piece in answer.iter_text():
            text += piece
            if begun is not None:
                begun.set()
        return answer.status_code, text


def test_while_it_streams_the_stream_ends_with_the_error(
    operator: Operator, pool: ThreadPoolExecutor
) -> None:
    begun = threading.Event()
    asking = pool.submit(ask, operator, begun=begun, stream=True)
    assert begun.wait(30)
    job = the_only(operator, "running")
    assert cancel(operator, job["job_id"]).json() == {
        "job_id": job["job_id"],
        "status": "cancelled",
    }
    status, text = asking.result(timeout=30)
    *_, last = [line for line in text.splitlines() if line.startswith("data: {")]
    error = json.loads(last.removeprefix("data: "))["error"]
    assert (status, error["code"]) == (200, "request_cancelled")
    assert WORDS in error["message"]
    ended = [row for row in requests(operator, "cancelled") if row["job_id"] == job["job_id"]]
    assert WORDS in ended[0]["reason"]
    again = cancel(operator, job["job_id"])
    assert (again.status_code, again.json()["code"]) == (404, "job_not_found")


@pytest.mark.parametrize("stream", [True, False])
def test_who_waits_and_who_runs_hear_it_and_the_slot_is_free(
    operator: Operator, pool: ThreadPoolExecutor, *, stream: bool
) -> None:
    running = pool.submit(ask, operator, stream=False)
    first = the_only(operator, "running")
    waiting = pool.submit(ask, operator, stream=stream)
    second = the_only(operator, "waiting")
    assert second["position"] == 1
    for job, asking in ((second, waiting), (first, running)):
        assert cancel(operator, job["job_id"]).status_code == 200
        heard(asking)
    begun = threading.Event()
    after = pool.submit(ask, operator, begun=begun, stream=True)
    assert begun.wait(30), "no slot came back"
    cancel(operator, the_only(operator, "running")["job_id"])
    after.result(timeout=30)


def heard(asking: "Future[tuple[int, str]]") -> None:
    status, text = asking.result(timeout=30)
    assert WORDS in text
    assert status == 403 or "data: " in text


def test_a_job_of_the_command_line_fails_with_it(
    operator: Operator, pool: ThreadPoolExecutor
) -> None:
    asking = pool.submit(operator.rbee, "infer", "-m", MODEL, "hi", "--max-tokens", "4000")
    job = the_only(operator, "running")
    listed = operator.rbee("requests", "list")
    assert job["job_id"] in listed.stdout
    cancelled = operator.rbee("requests", "cancel", job["job_id"])
    assert cancelled.returncode == 0, cancelled.stderr
    found = asking.result(timeout=30)
    assert found.returncode == 1
    assert WORDS in found.stderr
