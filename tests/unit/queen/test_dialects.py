"""Which API a path speaks, and errors worded for its clients."""

import json

import pytest

from rbee.errors import (
    ContextExceeded,
    DeadlineExceeded,
    EngineError,
    Forbidden,
    InvalidApiKey,
    InvalidRequest,
    ModelNotFound,
    QueueFull,
    RbeeError,
    TooLarge,
    WorkerFailed,
)
from rbee.foundation.sse import EventReader
from rbee.queen.api.dialects import (
    ENDPOINTS,
    PREFIXES,
    Dialect,
    dialect_of,
    endpoint_at,
    in_stream,
    render,
)

_GONE = WorkerFailed("The worker is gone.")


def test_openais_endpoints_are_under_every_prefix() -> None:
    for prefix in PREFIXES:
        for tail in ("chat/completions", "completions", "embeddings", "rerank", "responses"):
            endpoint = endpoint_at(f"{prefix}{tail}")
            assert endpoint is not None
            assert endpoint.path == f"/v1/{tail}"


def test_anthropics_endpoints_have_one_place() -> None:
    messages = endpoint_at("/v1/messages")
    assert messages is not None
    assert (messages.dialect, messages.streams) == ("anthropic", True)
    count = endpoint_at("/v1/messages/count_tokens/")
    assert count is not None
    assert (count.path, count.streams) == ("/v1/messages/count_tokens", False)
    assert endpoint_at("/openai/v1/messages") is None


def test_what_is_no_path_of_inference_is_none() -> None:
    for path in ("/", "/v1/jobs", "/v1/chat", "/v1/models", "/v1/chat/completions/x"):
        assert endpoint_at(path) is None


def test_each_task_has_its_endpoints() -> None:
    tasks = {endpoint.path: endpoint.task for endpoint in ENDPOINTS.values()}
    assert tasks["/v1/rerank"] == "rerank"
    assert tasks["/v1/embeddings"] == "embeddings"
    assert tasks["/v1/messages"] == tasks["/v1/responses"] == "generate"


@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        ("/v1/chat/completions", "openai"),
        ("/openai/nothing", "openai"),
        ("/v1/audio/speech", "openai"),
        ("/v1/models/x", "openai"),
        ("/v1/responses", "responses"),
        ("/v1/messages", "anthropic"),
        ("/v1/messages/batches", "anthropic"),
        ("/v1/jobs", None),
        ("/metrics", None),
    ],
)
def test_errors_are_worded_as_the_paths_clients_expect(path: str, dialect: Dialect | None) -> None:
    assert dialect_of(path) == dialect


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InvalidRequest("x"), "invalid_request_error"),
        (ContextExceeded("x"), "invalid_request_error"),
        (InvalidApiKey("x"), "authentication_error"),
        (Forbidden("x"), "permission_error"),
        (ModelNotFound("x"), "not_found_error"),
        (TooLarge("x"), "request_too_large"),
        (QueueFull("x"), "overloaded_error"),
        (DeadlineExceeded("x"), "timeout_error"),
        (_GONE, "api_error"),
        (EngineError("x"), "api_error"),
    ],
)
def test_anthropics_error_types(error: RbeeError, kind: str) -> None:
    body = json.loads(render(error, "anthropic", "req-1"))
    assert body["type"] == "error"
    assert body["error"]["type"] == kind
    assert body["error"]["code"] == error.code
    assert body["error"]["message"] == f"{error.message} {error.remedy}"
    assert body["request_id"] == "req-1"


def test_openais_error_is_the_same_for_chat_and_responses() -> None:
    for dialect in ("openai", "responses"):
        body = json.loads(render(_GONE, dialect))
        assert body["error"]["code"] == "worker_error"


def test_an_error_in_a_stream_is_one_event_of_its_dialect() -> None:
    found: dict[str, tuple[str, dict[str, object]]] = {}
    dialects: tuple[Dialect, ...] = ("openai", "responses", "anthropic")
    for dialect in dialects:
        (event,) = EventReader().feed(in_stream(_GONE, dialect, "req-1"))
        found[dialect] = (event.event, json.loads(event.data))
    assert found["openai"][0] == "message"
    assert isinstance(found["openai"][1]["error"], dict)
    assert found["responses"][0] == found["anthropic"][0] == "error"
    assert found["responses"][1]["type"] == found["anthropic"][1]["type"] == "error"
    assert found["responses"][1]["code"] == "worker_error"
    assert found["responses"][1]["error"] == found["openai"][1]["error"]
