"""Rerank, Responses, Anthropic's messages and required tool calls, with the real engine.

One colony serves the file: a hive with the starter, and with a copy of it whose header
says that it ranks. Its scores mean nothing, but its worker is started for that.
"""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx2
import openai
import pytest
from openai.types.chat import (
    ChatCompletionToolChoiceOptionParam as Choice,
)
from openai.types.chat import (
    ChatCompletionToolParam,
)

from rbee.foundation.files import write_struct
from rbee.foundation.sse import EventReader
from rbee.hive.models.metadata import describe
from rbee.hive.models.partial import METADATA_FILE
from rbee.testing.colony import Colony, DaemonUnderTest
from rbee.testing.gguf import with_pairs
from rbee.testing.waiting import until_now

pytestmark = pytest.mark.system

ANSWER_WITHIN_S = 90.0  # a load and some fifty tokens on two busy cores
STARTER, RANKER = "starter", "ranker"


def tool(name: str, **properties: object) -> ChatCompletionToolParam:
    return {
        "type": "function",
        "function": {
            "name": name,
            "description": f"Get the {name}",
            "parameters": {
                "type": "object",
                "properties": properties,
                "required": list(properties),
                "additionalProperties": False,
            },
        },
    }


WEATHER = tool("weather", city={"type": "string", "maxLength": 20})
CLOCK = tool("clock", zone={"enum": ["UTC", "CET"]})


@pytest.fixture(scope="module")
def queen(
    tmp_path_factory: pytest.TempPathFactory, starter_path: Path
) -> Iterator[DaemonUnderTest]:
    with Colony(tmp_path_factory.mktemp("doors"), scripted=False) as colony:
        queen = colony.queen()
        hive = colony.hive(start=False)
        models = Path(hive.env["RBEE_CACHE_DIR"]) / "models"
        folder = starter_path.parent
        shutil.copytree(folder, models / folder.name, copy_function=os.link)
        (models / RANKER).mkdir()
        made = with_pairs(starter_path, models / RANKER / "r.gguf", {"llama.pooling_type": 4})
        write_struct(
            models / RANKER / METADATA_FILE, describe(made, id=RANKER, source="a test", name=RANKER)
        )
        hive.start()
        until_now(lambda: {STARTER, RANKER} <= ids_of(queen), within_s=ANSWER_WITHIN_S)
        yield queen


def ids_of(queen: DaemonUnderTest) -> set[str]:
    listed = httpx2.get(f"{queen.url}/v1/models", timeout=10).json()
    return {row["id"] for row in listed["data"]}


def client_of(queen: DaemonUnderTest) -> openai.OpenAI:
    return openai.OpenAI(
        base_url=f"{queen.url}/v1", api_key="none", timeout=ANSWER_WITHIN_S, max_retries=0
    )


def post(queen: DaemonUnderTest, path: str, **body: object) -> httpx2.Response:
    return httpx2.post(f"{queen.url}{path}", json=body, timeout=ANSWER_WITHIN_S)


# ── required tool calls ──────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("tools", "choice", "names"),
    [
        ([WEATHER, CLOCK], "required", {"weather", "clock"}),
        ([CLOCK], "required", {"clock"}),
        ([WEATHER, CLOCK], {"type": "function", "function": {"name": "weather"}}, {"weather"}),
    ],
)
def test_the_openai_client_gets_the_call_that_it_required(
    queen: DaemonUnderTest, tools: list[ChatCompletionToolParam], choice: Choice, names: set[str]
) -> None:
    with client_of(queen) as client:
        answer = client.chat.completions.create(
            model=STARTER,
            messages=[{"role": "user", "content": "What is the weather in Paris?"}],
            tools=tools,
            tool_choice=choice,
            temperature=0,
            max_tokens=150,
        )
        choice_made = answer.choices[0]
        assert choice_made.finish_reason == "tool_calls"
        assert choice_made.message.content is None
        (call,) = choice_made.message.tool_calls or []
        assert call.type == "function"
        assert call.function.name in names
        check_arguments(call.function.name, json.loads(call.function.arguments))
        assert answer.usage is not None
        assert answer.usage.completion_tokens > 0


def test_a_streamed_call_comes_in_pieces(queen: DaemonUnderTest) -> None:
    name, arguments, ids, reasons = "", "", set[str](), list[str]()
    with client_of(queen) as client:
        stream = client.chat.completions.create(
            model=STARTER,
            messages=[{"role": "user", "content": "What is the weather in Paris?"}],
            tools=[WEATHER, CLOCK],
            tool_choice="required",
            temperature=0,
            max_tokens=150,
            stream=True,
        )
        pieces = 0
        for chunk in stream:
            for choice in chunk.choices:
                assert not choice.delta.content
                for call in choice.delta.tool_calls or []:
                    pieces += 1
                    ids |= {call.id} if call.id else set()
                    assert call.function is not None
                    name += call.function.name or ""
                    arguments += call.function.arguments or ""
                if choice.finish_reason:
                    reasons.append(choice.finish_reason)
    assert reasons == ["tool_calls"]
    assert len(ids) == 1
    assert pieces > 2
    check_arguments(name, json.loads(arguments))


def check_arguments(name: str, arguments: dict[str, object]) -> None:
    if name == "weather":
        assert isinstance(arguments["city"], str)
    else:
        assert name == "clock"
        assert arguments["zone"] in {"UTC", "CET"}


def test_a_tool_that_nobody_gave_is_a_clear_400(queen: DaemonUnderTest) -> None:
    with client_of(queen) as client, pytest.raises(openai.BadRequestError, match="'rain'"):
        client.chat.completions.create(
            model=STARTER,
            messages=[{"role": "user", "content": "x"}],
            tools=[WEATHER],
            tool_choice={"type": "function", "function": {"name": "rain"}},
        )


def test_a_schema_that_the_engine_cannot_follow_is_a_400(queen: DaemonUnderTest) -> None:
    broken = tool("broken", x={"$ref": "#/$defs/nowhere"})
    with client_of(queen) as client, pytest.raises(openai.BadRequestError, match="nowhere"):
        client.chat.completions.create(
            model=STARTER,
            messages=[{"role": "user", "content": "x"}],
            tools=[broken],
            tool_choice="required",
        )


# ── Responses ────────────────────────────────────────────────────────────────


def test_responses_pass_through(queen: DaemonUnderTest) -> None:
    with client_of(queen) as client:
        answer = client.responses.create(model=STARTER, input="Say hi", max_output_tokens=12)
        assert answer.object == "response"
        assert answer.output_text
        assert answer.usage is not None
        assert answer.usage.output_tokens > 0
        kinds = [
            event.type
            for event in client.responses.create(
                model=STARTER, input="Say hi", max_output_tokens=8, stream=True
            )
        ]
    assert kinds[0] == "response.created"
    assert "response.output_text.delta" in kinds
    assert kinds[-1] == "response.completed"


def test_an_unknown_model_is_not_found_for_responses_too(queen: DaemonUnderTest) -> None:
    with client_of(queen) as client, pytest.raises(openai.NotFoundError):
        client.responses.create(model="nobody-has-this", input="hi")


# ── Anthropic's messages ─────────────────────────────────────────────────────


def test_messages_pass_through_whole(queen: DaemonUnderTest) -> None:
    turns = [{"role": "user", "content": "Say hi"}]
    answer = post(queen, "/v1/messages", model=STARTER, messages=turns, max_tokens=12)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["type"], body["role"]) == ("message", "assistant")
    assert body["content"][0]["text"]
    assert body["usage"]["output_tokens"] > 0
    assert answer.headers["x-rbee-worker"]


def test_messages_pass_through_streamed(queen: DaemonUnderTest) -> None:
    turns = [{"role": "user", "content": "Say hi"}]
    answer = post(queen, "/v1/messages", model=STARTER, messages=turns, max_tokens=12, stream=True)
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [event.event for event in EventReader().feed(answer.content)]
    assert events[0] == "message_start"
    assert "content_block_delta" in events
    assert events[-1] == "message_stop"


def test_tokens_of_messages_are_counted(queen: DaemonUnderTest) -> None:
    turns = [{"role": "user", "content": "Say hi"}]
    answer = post(queen, "/v1/messages/count_tokens", model=STARTER, messages=turns)
    assert answer.json()["input_tokens"] > 3


def test_errors_of_messages_are_worded_as_anthropics_clients_expect(
    queen: DaemonUnderTest,
) -> None:
    turns = [{"role": "user", "content": "Say hi"}]
    answer = post(queen, "/v1/messages", model="nobody-has-this", messages=turns, max_tokens=5)
    assert answer.status_code == 404
    body = answer.json()
    assert (body["type"], body["error"]["type"]) == ("error", "not_found_error")
    assert body["request_id"] == answer.headers["x-request-id"]


# ── rerank ───────────────────────────────────────────────────────────────────


def test_a_reranker_gets_a_worker_that_ranks(queen: DaemonUnderTest) -> None:
    documents = ["Bees make honey.", "Paris is in France."]
    answer = post(queen, "/v1/rerank", model=RANKER, query="honey", documents=documents)
    assert answer.status_code == 200, answer.text
    results = answer.json()["results"]
    assert sorted(row["index"] for row in results) == [0, 1]
    assert all(isinstance(row["relevance_score"], float) for row in results)


def test_what_is_no_reranker_does_not_rank(queen: DaemonUnderTest) -> None:
    answer = post(queen, "/v1/rerank", model=STARTER, query="honey", documents=["x"])
    assert answer.status_code == 400
    assert "scores would mean nothing" in answer.json()["error"]["message"]


def test_a_reranker_writes_nothing(queen: DaemonUnderTest) -> None:
    with client_of(queen) as client, pytest.raises(openai.BadRequestError, match="reranker"):
        client.chat.completions.create(model=RANKER, messages=[{"role": "user", "content": "hi"}])


# ── what is logged ───────────────────────────────────────────────────────────


def test_a_log_line_of_a_request_says_which(queen: DaemonUnderTest) -> None:
    body = {
        "model": STARTER,
        "messages": [{"role": "user", "content": "a secret word"}],
        "stream": True,
        "ignore_eos": True,
        "max_tokens": 500,
    }
    headers = {"x-request-id": "mine-42"}
    with (
        httpx2.Client(timeout=ANSWER_WITHIN_S, headers=headers) as client,
        client.stream("POST", f"{queen.url}/v1/chat/completions", json=body) as answer,
    ):
        job_id = answer.headers["x-rbee-job"]
        next(answer.iter_bytes())

    def said() -> list[str]:
        return [line for line in queen.log.read_text().splitlines() if "client gone" in line]

    until_now(lambda: any("mine-42" in line for line in said()), within_s=10)
    (line,) = [line for line in said() if "mine-42" in line]
    assert job_id in line
    assert "secret word" not in queen.log.read_text()


# ── what was counted ─────────────────────────────────────────────────────────


def test_every_door_is_counted(queen: DaemonUnderTest) -> None:
    turns = [{"role": "user", "content": "Say hi"}]
    for path, body in (
        ("/v1/chat/completions", {"messages": turns}),
        ("/v1/completions", {"prompt": "hi"}),
        ("/v1/messages", {"messages": turns}),
    ):
        assert post(queen, path, model=STARTER, max_tokens=4, **body).status_code == 200
    text = httpx2.get(f"{queen.url}/metrics", timeout=10).text
    for path in ("/v1/chat/completions", "/v1/completions", "/v1/messages"):
        assert f'rbee_requests_total{{endpoint="{path}",model="{STARTER}",status="200"}}' in text
        tokens = f'rbee_tokens_total{{endpoint="{path}",kind="completion",model="{STARTER}"}}'
        assert tokens in text
        assert f"{tokens} 0.0" not in text, "its usage was told"
