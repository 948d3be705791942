"""Both engines behind one face: the same routes, shapes, order and manners.

The real engine sets the standard; the scripted one must not be told apart by
what the hive and the queen read.
"""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from rbee.hive.engines import llamacpp_readings
from rbee.testing.workers import WorkerUnderTest, running_worker
from rbee.worker.settings import EngineName

pytestmark = pytest.mark.system

CONTEXT = 1_024
FREE_WITHIN_S = 5.0
TO_THE_LAST = {"ignore_eos": True}  # a sampled answer may end before its max_tokens
CHAT = [{"role": "user", "content": "Count upwards from one."}]
SLOW = '[[script {"tokens": 900, "delay_token_s": 0.02}]] '
"""Slows the scripted engine to the real one's pace; to the real one it is text."""

STREAM: dict[str, Any] = {
    "messages": [{"role": "user", "content": SLOW}],
    "stream": True,
    "ignore_eos": True,
}

ENGINES: tuple[EngineName, ...] = ("xllamacpp", "scripted")


@pytest.fixture(scope="module", params=ENGINES)
def worker(
    request: pytest.FixtureRequest, starter_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WorkerUnderTest]:
    directory = tmp_path_factory.mktemp("worker")
    with running_worker(
        directory, engine=request.param, model=starter_path, context=CONTEXT, slots=2
    ) as found:
        found.wait_ready()
        yield found


@pytest.fixture
def client(worker: WorkerUnderTest) -> Iterator[httpx2.Client]:
    with worker.client() as found:
        yield found


def events_of(answer: httpx2.Response) -> list[Any]:
    """The events of a stream; the bare ``[DONE]`` stays a string."""
    text = answer.read().decode()
    assert text.endswith("\n\n")
    datas = [block.removeprefix("data: ") for block in text.split("\n\n") if block[:1] == "d"]
    return [data if data == "[DONE]" else json.loads(data) for data in datas]


def metric(client: httpx2.Client, name: str) -> float:
    lines = client.get("/metrics").text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"llamacpp:{name} "))


def tokens_read(client: httpx2.Client) -> float:
    """What a hive reads of the tokens made so far."""
    metrics, slots = client.get("/metrics").text, client.get("/slots").content
    return llamacpp_readings.read(slots, metrics).tokens_total or 0


def busy_slots(client: httpx2.Client) -> list[dict[str, Any]]:
    return [slot for slot in client.get("/slots").json() if slot["is_processing"]]


def wait_until(true: Callable[[], bool], within_s: float = FREE_WITHIN_S) -> float:
    started_s = time.monotonic()
    while not true():
        assert time.monotonic() - started_s < within_s, "it did not come true in time"
        time.sleep(0.02)
    return time.monotonic() - started_s


def test_health_is_open_and_nothing_else_is(worker: WorkerUnderTest) -> None:
    with worker.client(key="wrong") as stranger:
        assert stranger.get("/health").json() == {"status": "ok"}
        for path in ("/v1/models", "/props", "/slots", "/metrics"):
            assert stranger.get(path).status_code == 401, path
        answer = stranger.post("/v1/chat/completions", json={"messages": CHAT})
        assert answer.status_code == 401
        assert answer.json()["error"]["type"] == "authentication_error"


def test_the_model_is_named_by_its_alias_and_a_wrong_name_is_ignored(client: httpx2.Client) -> None:
    assert [row["id"] for row in client.get("/v1/models").json()["data"]] == ["starter"]
    answer = client.post(
        "/v1/chat/completions",
        json={"model": "other", "messages": CHAT, "max_tokens": 2, **TO_THE_LAST},
    )
    assert answer.status_code == 200
    assert answer.json()["model"] == "starter"


def test_props_tell_the_context_and_the_slots(client: httpx2.Client) -> None:
    props = client.get("/props").json()
    assert props["default_generation_settings"]["n_ctx"] == CONTEXT
    assert props["total_slots"] == 2
    assert props["model_alias"] == "starter"
    assert props["chat_template_caps"]["supports_system_role"] is True


def test_a_whole_chat_answer(client: httpx2.Client) -> None:
    body = {"messages": CHAT, "max_tokens": 3, **TO_THE_LAST}
    answer = client.post("/v1/chat/completions", json=body).json()
    assert set(answer) == {
        "choices", "created", "model", "system_fingerprint", "object", "usage", "id", "timings",
    }  # fmt: skip
    assert answer["object"] == "chat.completion"
    choice = answer["choices"][0]
    assert set(choice) == {"finish_reason", "index", "message"}
    assert choice["finish_reason"] == "length"
    assert choice["message"]["role"] == "assistant"
    assert choice["message"]["content"]
    usage = answer["usage"]
    assert usage["completion_tokens"] == 3
    assert usage["total_tokens"] == usage["prompt_tokens"] + 3
    assert {"cache_n", "prompt_n", "predicted_n", "predicted_per_second"} <= set(answer["timings"])


@pytest.mark.parametrize("usage", [True, False])
def test_a_streamed_chat_answer(client: httpx2.Client, *, usage: bool) -> None:
    body = {"messages": CHAT, "max_tokens": 3, "stream": True, **TO_THE_LAST}
    if usage:
        body["stream_options"] = {"include_usage": True}
    with client.stream("POST", "/v1/chat/completions", json=body) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = events_of(answer)
    *chunks, done = events
    assert done == "[DONE]"
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": None}
    texts = [chunk["choices"][0]["delta"] for chunk in chunks[1:4]]
    assert [set(delta) for delta in texts] == [{"content"}] * 3
    assert chunks[4]["choices"][0] == {"finish_reason": "length", "index": 0, "delta": {}}
    if usage:
        assert chunks[5]["choices"] == []
        assert chunks[5]["usage"]["completion_tokens"] == 3
        assert "timings" in chunks[5]
    assert len(chunks) == (6 if usage else 5)
    assert "timings" in chunks[-1]


def test_a_streamed_completion(client: httpx2.Client) -> None:
    body = {"prompt": "Once upon", "max_tokens": 2, "stream": True, **TO_THE_LAST}
    with client.stream("POST", "/v1/completions", json=body) as answer:
        *chunks, done = events_of(answer)
    assert done == "[DONE]"
    assert [set(chunk["choices"][0]) for chunk in chunks] == [
        {"text", "index", "logprobs", "finish_reason"}
    ] * 3
    assert chunks[-1]["choices"][0]["finish_reason"] == "length"


def test_the_native_completion_has_no_done(client: httpx2.Client) -> None:
    body = {"prompt": "Once upon", "n_predict": 2, "stream": True}
    with client.stream("POST", "/completion", json=body) as answer:
        *chunks, last = events_of(answer)
    assert [set(chunk) for chunk in chunks] == [
        {"index", "content", "tokens", "stop", "id_slot", "tokens_predicted", "tokens_evaluated"}
    ] * 2
    assert last["stop"] is True
    assert last["tokens_predicted"] == 2
    whole = client.post("/completion", json={"prompt": "Once upon", "n_predict": 2}).json()
    assert set(whole) == set(last)


def test_a_chat_goes_on_from_the_assistants_words(client: httpx2.Client) -> None:
    body: dict[str, Any] = {
        "messages": CHAT,
        "max_tokens": 4,
        "temperature": 0,
        **TO_THE_LAST,
    }
    whole = client.post("/v1/chat/completions", json=body).json()
    text: str = whole["choices"][0]["message"]["content"]
    given = text[: text.rindex(" ")] if " " in text else text
    more = {**body, "messages": [*CHAT, {"role": "assistant", "content": given}]}
    answer = client.post("/v1/chat/completions", json=more).json()
    assert answer["choices"][0]["message"]["content"].startswith(given)
    with client.stream("POST", "/v1/chat/completions", json={**more, "stream": True}) as stream:
        chunks = events_of(stream)[1:-2]
    rest = "".join(chunk["choices"][0]["delta"]["content"] for chunk in chunks)
    assert rest
    assert not rest.startswith(given)


def test_tokenize_and_template(client: httpx2.Client) -> None:
    ids = client.post("/tokenize", json={"content": "Hello world"}).json()["tokens"]
    rows = client.post("/tokenize", json={"content": "Hello world", "with_pieces": True}).json()
    assert [row["id"] for row in rows["tokens"]] == ids
    assert "".join(row["piece"] for row in rows["tokens"]) == "Hello world"
    prompt = client.post("/apply-template", json={"messages": CHAT}).json()["prompt"]
    assert CHAT[0]["content"] in prompt


@pytest.mark.parametrize("stream", [True, False])
def test_a_prompt_over_the_context_is_refused_with_both_numbers(
    client: httpx2.Client, *, stream: bool
) -> None:
    messages = [{"role": "user", "content": "word " * (CONTEXT + 200)}]
    answer = client.post("/v1/chat/completions", json={"messages": messages, "stream": stream})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "type", "n_prompt_tokens", "n_ctx"}
    assert error["type"] == "exceed_context_size_error"
    assert error["n_prompt_tokens"] > error["n_ctx"] == CONTEXT


@pytest.mark.parametrize("body", [b"{bad", b"{}"])
def test_a_bad_body_is_a_400(client: httpx2.Client, body: bytes) -> None:
    answer = client.post("/v1/chat/completions", content=body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "type"}
    assert error["type"] == "invalid_request_error"


def test_unknown_paths_and_methods_are_404(client: httpx2.Client) -> None:
    assert client.get("/nope").json()["error"]["type"] == "not_found_error"
    assert client.get("/v1/chat/completions").status_code == 404


def test_embeddings_need_the_task(client: httpx2.Client) -> None:
    answer = client.post("/v1/embeddings", json={"input": "hello"})
    assert answer.status_code == 501
    assert answer.json()["error"]["type"] == "not_supported_error"


def test_slots_and_metrics_show_a_running_stream_and_its_end(client: httpx2.Client) -> None:
    wait_until(lambda: metric(client, "requests_processing") == 0)
    before = metric(client, "tokens_predicted_total")
    body = {**STREAM, "max_tokens": 60}
    with client.stream("POST", "/v1/chat/completions", json=body) as answer:
        lines = answer.iter_lines()
        while '"content":"' not in next(lines):
            continue
        [slot] = busy_slots(client)
        assert slot["n_ctx"] == CONTEXT
        assert slot["params"]["max_tokens"] == 60
        assert 1 <= slot["next_token"][0]["n_decoded"] <= 60
        assert metric(client, "requests_processing") == 1
        assert before < tokens_read(client) < before + 60
        assert metric(client, "tokens_predicted_total") == before  # until the request ends
        assert list(lines)[-2:] == ["data: [DONE]", ""]
    wait_until(lambda: not busy_slots(client))
    wait_until(lambda: metric(client, "tokens_predicted_total") == before + 60)


def test_a_streaming_client_that_leaves_frees_its_slot(client: httpx2.Client) -> None:
    body = {**STREAM, "max_tokens": 900}
    with client.stream("POST", "/v1/chat/completions", json=body) as answer:
        lines = answer.iter_lines()
        assert '"role":"assistant"' in next(lines)
        assert len(busy_slots(client)) == 1
    assert wait_until(lambda: not busy_slots(client)) < 2.0


def test_more_requests_than_slots_wait_their_turn(client: httpx2.Client) -> None:
    url = "/v1/chat/completions"
    body = {**STREAM, "max_tokens": 100}
    with ThreadPoolExecutor(1) as pool:
        with (
            client.stream("POST", url, json=body) as first,
            client.stream("POST", url, json=body) as second,
        ):
            third = pool.submit(client.post, url, json={**body, "max_tokens": 2})
            wait_until(lambda: metric(client, "requests_deferred") == 1)
            assert len(busy_slots(client)) == 2
            assert not third.done()
            for answer in (first, second):
                assert events_of(answer)[-1] == "[DONE]"
        assert events_of(third.result())[-1] == "[DONE]"
