"""A worker as a process: its starts, its failures and its ends."""

import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from rbee.contracts.exits import WorkerExit
from rbee.testing.workers import WorkerUnderTest, free_port, running_worker
from rbee.worker.engines.script import Script
from rbee.worker.engines.scripted_text import answer_after, render_chat, unit_vector
from rbee.worker.settings import EngineName

pytestmark = pytest.mark.system

ENGINES: tuple[EngineName, ...] = ("xllamacpp", "scripted")
CHAT = [{"role": "user", "content": "hello"}]
PROMPT = render_chat([("user", "hello")])


def last_line(worker: WorkerUnderTest) -> str:
    return worker.stderr.splitlines()[-1]


def chat(worker: WorkerUnderTest, **more: object) -> httpx2.Response:
    with worker.client() as client:
        return client.post("/v1/chat/completions", json={"messages": CHAT, **more})


def collect(parts: Iterator[bytes], into: bytearray) -> None:
    for part in parts:
        into += part


@pytest.mark.parametrize("engine", ENGINES)
def test_a_taken_port_has_its_own_status(
    engine: EngineName, starter_path: Path, tmp_path: Path
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port: int = other.getsockname()[1]
        with running_worker(tmp_path, engine=engine, model=starter_path, port=port) as worker:
            assert worker.wait_end() == WorkerExit.PORT_TAKEN
            assert f"Port {port}" in last_line(worker)
            assert "Traceback" not in worker.stderr


def test_a_port_that_was_just_left_is_free(tmp_path: Path) -> None:
    port = free_port()
    for turn in ("first", "second"):
        with running_worker(tmp_path / turn, port=port) as worker:
            worker.wait_ready()
            assert chat(worker, max_tokens=1).status_code == 200


@pytest.mark.parametrize("content", [b"", b"not a model", b"GGUF" + bytes(1000)])
def test_a_bad_model_has_its_own_status(content: bytes, tmp_path: Path) -> None:
    model = tmp_path / "bad.gguf"
    model.write_bytes(content)
    with running_worker(tmp_path / "w", engine="xllamacpp", model=model) as worker:
        assert worker.wait_end() == WorkerExit.BAD_MODEL
        assert last_line(worker).startswith("rbee worker: ")
        assert "bad.gguf" in last_line(worker)
        assert "Traceback" not in worker.stderr


def test_a_truncated_model_has_its_own_status(starter_path: Path, tmp_path: Path) -> None:
    model = tmp_path / "cut.gguf"
    with starter_path.open("rb") as whole:
        model.write_bytes(whole.read(10_000_000))
    with running_worker(tmp_path / "w", engine="xllamacpp", model=model) as worker:
        assert worker.wait_end() == WorkerExit.BAD_MODEL


def test_a_context_that_does_not_fit_has_its_own_status(starter_path: Path, tmp_path: Path) -> None:
    with running_worker(
        tmp_path, engine="xllamacpp", model=starter_path, context=16_777_216, slots=1
    ) as worker:
        assert worker.wait_end(30) == WorkerExit.OUT_OF_MEMORY
        assert "does not fit into memory" in last_line(worker)


def test_wrong_arguments_have_their_own_status(tmp_path: Path) -> None:
    with running_worker(tmp_path, slots=0) as worker:
        assert worker.wait_end() == WorkerExit.BAD_ARGUMENTS
        assert worker.stderr.splitlines() == [
            "rbee worker: --slots is 0, outside 1 to 256. Correct the request and send it again."
        ]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGTERM to handle")
@pytest.mark.parametrize("engine", ENGINES)
def test_a_worker_that_is_told_to_stop_leaves_at_once(
    engine: EngineName, starter_path: Path, tmp_path: Path
) -> None:
    with running_worker(tmp_path, engine=engine, model=starter_path) as worker:
        worker.wait_ready()
        body = {"messages": CHAT, "stream": True, "ignore_eos": True, "max_tokens": 900}
        with (
            worker.client() as client,
            client.stream("POST", "/v1/chat/completions", json=body) as answer,
        ):
            lines = (line for line in answer.iter_lines() if line.startswith("data: "))  # no pings
            assert "role" in next(lines)
            told_s = time.monotonic()
            worker.process.terminate()
            assert worker.wait_end() == WorkerExit.OK
            assert time.monotonic() - told_s < 1.0


def test_the_key_is_in_no_log_and_no_argument(starter_path: Path, tmp_path: Path) -> None:
    with running_worker(tmp_path, engine="xllamacpp", model=starter_path) as worker:
        worker.wait_ready()
        assert chat(worker, max_tokens=2).status_code == 200
        assert worker.key not in worker.stderr
        assert worker.key not in " ".join(str(part) for part in worker.process.args)
        assert worker.key not in (tmp_path / "load.log").read_text()


def test_a_loading_worker_says_so(tmp_path: Path) -> None:
    with running_worker(tmp_path, script=Script(load_s=0.5)) as worker:
        seen: list[int] = []
        deadline_s = time.monotonic() + 10
        with worker.client() as client:
            while 200 not in seen:
                assert time.monotonic() < deadline_s
                try:
                    answer = client.get("/health")
                except httpx2.TransportError:
                    continue
                seen.append(answer.status_code)
                if answer.status_code == 503:
                    assert answer.json()["error"] == {
                        "message": "Loading model", "type": "unavailable_error", "code": 503,
                    }  # fmt: skip
        assert set(seen) == {503, 200}


def test_a_script_ends_the_load(tmp_path: Path) -> None:
    script = Script(exit_while_loading=WorkerExit.OUT_OF_MEMORY)
    with running_worker(tmp_path, script=script) as worker:
        assert worker.wait_end() == WorkerExit.OUT_OF_MEMORY


def test_the_scripted_answer_is_the_one_that_was_to_be_expected(tmp_path: Path) -> None:
    with running_worker(tmp_path, script=Script(tokens=12, seed=3)) as worker:
        worker.wait_ready()
        choice = chat(worker).json()["choices"][0]
        assert choice["message"]["content"] == answer_after(PROMPT, total=12, seed=3)
        assert choice["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("script", "tokens", "whole_events"),
    [
        (Script(crash_at_token=4), 3, True),
        (Script(half_chunk_at_token=4), 3, False),
        (Script(half_chunk_at_token=4, half_chunk_bytes=25), 3, False),
    ],
)
def test_a_scripted_death_keeps_what_was_sent(
    script: Script, tokens: int, *, whole_events: bool, tmp_path: Path
) -> None:
    with running_worker(tmp_path, script=script) as worker:
        worker.wait_ready()
        received = bytearray()
        body = {"messages": CHAT, "stream": True}
        with (
            worker.client() as client,
            client.stream("POST", "/v1/chat/completions", json=body) as answer,
        ):
            parts = answer.iter_raw()
            with pytest.raises(httpx2.RemoteProtocolError):
                collect(parts, received)
        assert worker.wait_end() == WorkerExit.CRASHED
        expected = answer_after(PROMPT, total=24, limit=tokens).split()
        assert all(word.encode() in received for word in expected)
        assert received.endswith(b"\n\n") is whole_events


def test_a_unary_caller_who_leaves_is_noticed(tmp_path: Path) -> None:
    with running_worker(tmp_path, script=Script(tokens=900, delay_token_s=0.02)) as worker:
        worker.wait_ready()
        with worker.client() as client:
            with pytest.raises(httpx2.ReadTimeout):
                client.post("/v1/chat/completions", json={"messages": CHAT}, timeout=0.3)
            deadline_s = time.monotonic() + 5
            while any(slot["is_processing"] for slot in client.get("/slots").json()):
                assert time.monotonic() < deadline_s
                time.sleep(0.02)


def test_scripted_embeddings_are_the_expected_vectors(tmp_path: Path) -> None:
    with running_worker(tmp_path, task="embeddings") as worker, worker.client() as client:
        worker.wait_ready()
        answer = client.post("/v1/embeddings", json={"input": ["a", "b"], "model": "m"}).json()
    assert answer["model"] == "m"
    assert [row["index"] for row in answer["data"]] == [0, 1]
    assert answer["data"][1]["embedding"] == pytest.approx(unit_vector("b", 64))


def test_real_embeddings_have_length_one(starter_path: Path, tmp_path: Path) -> None:
    with (
        running_worker(
            tmp_path, engine="xllamacpp", model=starter_path, task="embeddings"
        ) as worker,
        worker.client() as client,
    ):
        worker.wait_ready()
        long_text = "word " * 520  # more than the default batch of 512
        answer = client.post("/v1/embeddings", json={"input": ["hello", long_text]})
        assert answer.status_code == 200
        for row in answer.json()["data"]:
            assert len(row["embedding"]) == 576
            assert sum(value**2 for value in row["embedding"]) == pytest.approx(1.0, abs=1e-3)
