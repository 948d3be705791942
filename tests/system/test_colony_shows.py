"""What the colony must show, on real parts: the openai client, cold starts, pulled plugs.

One real colony with the real engine serves the whole file where that is enough;
tests that kill something have a colony of their own with the scripted engine.
"""

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import openai
import psutil
import pytest

from rbee.testing.colony import Colony, DaemonUnderTest
from rbee.testing.waiting import until_now

pytestmark = pytest.mark.system

LOAD_WITHIN_S = 60.0  # the starter loads in a second; two busy cores need more
STARTER = "starter"
SCRIPTED = "scripted-bee"
UNCACHED = {"cache_prompt": False}  # reading a prefix and having it differ in the last bits
ENDLESS = {"ignore_eos": True}  # llama.cpp's word for "go on to the last of max_tokens"


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, starter_path: Path) -> Iterator[DaemonUnderTest]:
    """A queen whose one hive has the starter model; the real engine."""
    with Colony(tmp_path_factory.mktemp("real"), scripted=False) as colony:
        yield with_starter(colony, starter_path)


def with_starter(colony: Colony, starter_path: Path) -> DaemonUnderTest:
    """Start a queen and a hive that has the starter model on its disk."""
    queen = colony.queen()
    hive = colony.hive(start=False)
    models = Path(hive.env["RBEE_CACHE_DIR"]) / "models"
    shutil.copytree(starter_path.parent, models / starter_path.parent.name, copy_function=os.link)
    hive.start()
    wait_joined(queen)
    return queen


@pytest.fixture
def colony(tmp_path: Path) -> Iterator[Colony]:
    with Colony(tmp_path) as made:
        yield made


def wait_joined(queen: DaemonUnderTest, hives: int = 1) -> None:
    until_now(lambda: len(status_of(queen)["hives"]) >= hives, within_s=LOAD_WITHIN_S)


def status_of(queen: DaemonUnderTest) -> dict[str, list[dict[str, object]]]:
    """Hives and workers as the job ``status`` lists them."""
    found: dict[str, list[dict[str, object]]] = {"hives": [], "workers": []}
    for event in run_job(queen.url, {"operation": "status"}):
        for kind in found:
            if event["action"] == f"status_{kind}":
                data = event["data"]
                rows = data[kind] if isinstance(data, dict) else data
                found[kind] = [row.get("worker", row) for row in rows]
    return found


def run_job(url: str, operation: dict[str, object]) -> list[dict[str, object]]:
    """Submit a job and read its events to ``[DONE]``."""
    accepted = httpx2.post(f"{url}/v1/jobs", json=operation, timeout=30)
    assert accepted.status_code == 200, accepted.text
    stream = httpx2.get(url + accepted.json()["sse_url"], timeout=LOAD_WITHIN_S)
    data = [line[6:] for line in stream.text.splitlines() if line.startswith("data: ")]
    assert data[-1] == "[DONE]"
    return [json.loads(line) for line in data[:-1]]


def client_of(queen: DaemonUnderTest, prefix: str = "/v1") -> openai.OpenAI:
    return openai.OpenAI(
        base_url=queen.url + prefix, api_key="none", timeout=LOAD_WITHIN_S, max_retries=0
    )


def say(text: str) -> list[openai.types.chat.ChatCompletionMessageParam]:
    return [{"role": "user", "content": text}]


# ── the official client ──────────────────────────────────────────────────────


@pytest.mark.parametrize("prefix", ["/v1", "/openai/v1", "/openai"])
def test_the_openai_client_chats_streams_and_counts(real: DaemonUnderTest, prefix: str) -> None:
    client = client_of(real, prefix)
    whole = client.chat.completions.create(
        model=STARTER, messages=say("Say hello."), max_tokens=8, temperature=0, extra_body=UNCACHED
    )
    assert whole.choices[0].message.content
    assert whole.usage is not None
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
    assert whole.usage.completion_tokens <= 8

    stream = client.chat.completions.create(
        model=STARTER,
        messages=say("Say hello."),
        max_tokens=8,
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
        extra_body=UNCACHED,
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    finishes = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices]
    assert [reason for reason in finishes if reason] == [whole.choices[0].finish_reason]


def test_the_openai_client_completes_and_lists_models(real: DaemonUnderTest) -> None:
    client = client_of(real)
    done = client.completions.create(
        model=STARTER, prompt="One two three", max_tokens=4, extra_body=ENDLESS
    )
    assert done.choices[0].text
    assert done.choices[0].finish_reason in {"length", "stop"}
    models = {model.id: model for model in client.models.list()}
    assert STARTER in models
    assert models[STARTER].owned_by == "rbee"
    assert client.models.retrieve(STARTER).id == STARTER


def test_errors_are_the_clients_own_exception_classes(real: DaemonUnderTest) -> None:
    client = client_of(real)
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="no-such-model", messages=say("hi"))
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as too_long:
        client.chat.completions.create(model=STARTER, messages=say("bee " * 9000))
    assert too_long.value.code == "context_length_exceeded"
    assert "8192" in too_long.value.message
    with pytest.raises(openai.BadRequestError) as nonsense:
        client.chat.completions.create(model="", messages=say("hi"))
    assert nonsense.value.param == "$.model"


def test_a_client_that_leaves_stops_the_real_engine(real: DaemonUnderTest) -> None:
    """Streaming or not: the engine's slots are free long before the answer would have ended."""
    client = client_of(real)
    client.chat.completions.create(model=STARTER, messages=say("hi"), max_tokens=1)
    stream = client.chat.completions.create(
        model=STARTER,
        messages=say("Count to ten thousand."),
        max_tokens=4000,
        stream=True,
        extra_body=ENDLESS,
    )
    next(iter(stream))
    stream.close()
    until_now(lambda: busy_slots(real) == 0, within_s=5)

    hasty = client.with_options(timeout=1.0)
    with pytest.raises(openai.APITimeoutError):
        hasty.chat.completions.create(
            model=STARTER,
            messages=say("Count to ten thousand."),
            max_tokens=4000,
            extra_body=ENDLESS,
        )
    until_now(lambda: busy_slots(real) == 0, within_s=5)


def busy_slots(queen: DaemonUnderTest) -> int:
    busy = [worker["slots_busy"] for worker in status_of(queen)["workers"]]
    return sum(slots for slots in busy if isinstance(slots, int))


# ── cold starts ──────────────────────────────────────────────────────────────


def test_fifty_first_requests_make_one_spawn_and_get_fifty_answers(
    colony: Colony, starter_path: Path
) -> None:
    queen = with_starter(colony, starter_path)

    def ask(index: int) -> str:
        answer = httpx2.post(
            f"{queen.url}/v1/chat/completions",
            json={"model": STARTER, "messages": say(f"Say {index}."), "max_tokens": 2, **ENDLESS},
            timeout=LOAD_WITHIN_S,
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["choices"][0]["message"]["content"])

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(ask, range(50)))
    assert all(answers)
    assert len(status_of(queen)["workers"]) == 1
    assert queen.said.count("] spawning ") == 1


# ── strangers ────────────────────────────────────────────────────────────────


def test_a_page_of_another_origin_cannot_spawn_a_worker(colony: Colony) -> None:
    queen, hive = colony.queen(), colony.hive()
    spawn = {"operation": "worker_spawn", "model": SCRIPTED, "hive_id": "localhost"}
    for server in (queen, hive):
        for headers in (
            {"origin": "https://evil.example"},
            {"origin": "null"},
            {"sec-fetch-site": "cross-site"},
            {"host": "evil.example"},
        ):
            answer = httpx2.post(
                f"{server.url}/v1/jobs",
                content=json.dumps(spawn),
                headers={"content-type": "text/plain", **headers},
            )
            assert answer.status_code == 403, (server.room, headers)
    assert colony.worker_processes() == []


# ── pulled plugs ─────────────────────────────────────────────────────────────


def spawn(hive: DaemonUnderTest) -> dict[str, object]:
    """Spawn a scripted worker; the answer is its WorkerProcess."""
    events = run_job(hive.url, {"operation": "worker_spawn", "model": SCRIPTED})
    assert events[-1]["action"] == "worker_spawn_complete", events
    data = events[-1]["data"]
    assert isinstance(data, dict)
    return data


def ask_scripted(queen: DaemonUnderTest) -> httpx2.Response:
    return httpx2.post(
        f"{queen.url}/v1/chat/completions",
        json={"model": SCRIPTED, "messages": say("hi"), "max_tokens": 3},
        timeout=LOAD_WITHIN_S,
    )


def test_a_killed_worker_is_started_again_and_the_next_request_is_answered(colony: Colony) -> None:
    queen, hive = colony.queen(), colony.hive()
    first = spawn(hive)
    wait_joined(queen)
    assert ask_scripted(queen).status_code == 200
    psutil.Process(int(str(first["pid"]))).kill()
    assert ask_scripted(queen).status_code == 200
    events = run_job(hive.url, {"operation": "worker_process_list"})
    listed = [event["data"] for event in events if event["action"] == "worker_proc_list_entry"]
    assert len(listed) == 1
    assert isinstance(listed[0], dict)
    assert listed[0]["worker_id"] == first["worker_id"]
    assert listed[0]["pid"] != first["pid"]


def test_a_killed_hives_workers_go_on_and_the_next_hive_finds_them(colony: Colony) -> None:
    queen, hive = colony.queen(), colony.hive()
    before = spawn(hive)
    wait_joined(queen)
    assert ask_scripted(queen).status_code == 200
    hive.kill()
    for _ in range(5):
        assert ask_scripted(queen).status_code == 200
    successor = colony.hive()
    events = run_job(successor.url, {"operation": "worker_process_list"})
    after = [event["data"] for event in events if event["action"] == "worker_proc_list_entry"]
    assert len(after) == 1
    assert isinstance(after[0], dict)
    assert (after[0]["worker_id"], after[0]["pid"]) == (before["worker_id"], before["pid"])


def test_a_stream_goes_on_while_the_hive_is_killed_and_started_again(colony: Colony) -> None:
    queen, hive = colony.queen(), colony.hive()
    spawn(hive)
    wait_joined(queen)
    prompt = '[[script {"tokens": 60, "delay_token_s": 0.05}]] bee'
    body = {"model": SCRIPTED, "messages": say(prompt), "stream": True, "max_tokens": 60}
    tokens = 0
    successor = threading.Thread(target=colony.hive, daemon=True)
    with httpx2.stream(
        "POST", f"{queen.url}/v1/chat/completions", json=body, timeout=LOAD_WITHIN_S
    ) as stream:
        lines = stream.iter_lines()
        for line in lines:
            tokens += '"content"' in line
            if tokens == 10:
                hive.kill()
                successor.start()
                break
        rest = [line for line in lines if line.startswith("data: ")]
    successor.join(LOAD_WITHIN_S)  # the colony is not taken down under its start
    tokens += sum('"content"' in line for line in rest)
    assert rest[-1] == "data: [DONE]"
    assert tokens >= 60


def test_a_killed_queen_knows_the_workers_again_within_three_seconds(colony: Colony) -> None:
    queen, hive = colony.queen(), colony.hive()
    worker = spawn(hive)
    wait_joined(queen)
    queen.kill()
    queen.start()
    started = time.monotonic()
    until_now(lambda: [row["worker_id"] for row in status_of(queen)["workers"]], within_s=10)
    took_s = time.monotonic() - started
    assert [row["worker_id"] for row in status_of(queen)["workers"]] == [worker["worker_id"]]
    assert took_s < 3.0
    assert ask_scripted(queen).status_code == 200
    assert queen.said.count("spawning") == 0


def test_a_second_queen_says_who_has_the_port(colony: Colony) -> None:
    queen = colony.queen()
    second = colony.queen(start=False).start(wait=False)
    assert second.wait_end() != 0
    assert str(queen.pid) in second.said
    assert "Traceback" not in second.said


def test_a_hive_without_a_queen_works_alone_and_joins_when_she_comes(colony: Colony) -> None:
    hive = colony.hive()
    worker = spawn(hive)
    assert worker["status"] in {"ready", "busy"}
    assert hive.process is not None
    assert hive.process.poll() is None
    queen = colony.queen()
    wait_joined(queen)
    assert ask_scripted(queen).status_code == 200


def test_ctrl_c_leaves_nothing_behind(colony: Colony) -> None:
    queen, hive = colony.queen(), colony.hive()
    spawn(hive)
    assert colony.worker_processes()
    assert hive.stop(signal.SIGINT) == 0
    assert queen.stop(signal.SIGINT) == 0
    assert colony.worker_processes() == []


def test_a_second_ctrl_c_does_not_wait_for_running_answers(colony: Colony) -> None:
    queen, hive = colony.queen(), colony.hive()
    spawn(hive)
    wait_joined(queen)
    prompt = '[[script {"tokens": 2000, "delay_token_s": 0.05}]] bee'
    body = {"model": SCRIPTED, "messages": say(prompt), "stream": True, "max_tokens": 2000}
    with httpx2.stream(
        "POST", f"{queen.url}/v1/chat/completions", json=body, timeout=LOAD_WITHIN_S
    ) as stream:
        next(stream.iter_lines())
        for daemon in (hive, queen):
            daemon.send(signal.SIGINT)
            until_now(lambda said=daemon: "signal" in said.said)
            assert daemon.process is not None
            assert daemon.process.poll() is None
            daemon.send(signal.SIGINT)
            assert daemon.wait_end(within_s=5) == 0
    assert colony.worker_processes() == []
