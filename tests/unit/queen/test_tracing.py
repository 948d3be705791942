"""Spans as a collector receives them, and nothing at all where none is named."""

import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from rbee.queen.inference.call import Call
from rbee.queen.inference.usage import Usage
from rbee.queen.settings import Settings
from rbee.queen.tracing import Request, make_traces
from rbee.testing.queens import running_queen

_CALL = Call(
    job_id="job-1",
    request_id="req-1",
    model="alias",
    path="/v1/chat/completions",
    body=b'{"messages": "a secret prompt"}',
    stream=True,
)
_REQUEST = Request(
    endpoint="/v1/chat/completions",
    status=200,
    whole_s=1.5,
    call=_CALL,
    queue_s=0.25,
    first_s=0.5,
    usage=Usage(7, 11),
    events=12,
    traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
)


class Collector(HTTPServer):
    """An OTLP receiver."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receive)
        self.bodies: list[bytes] = []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def spans(self) -> list[Any]:
        return [
            span
            for body in self.bodies
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


class _Receive(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        self.server.bodies.append(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    server = Collector()
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    serving.start()
    try:
        yield server
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


def traced(collector: Collector, *requests: Request) -> list[Any]:
    traces = make_traces(collector.url, {})
    assert traces is not None
    for request in requests:
        traces.ended(request)
    traces.close()
    return collector.spans()


def values(span: Any) -> dict[str, object]:  # noqa: ANN401  protobuf has no types here
    return {
        pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in span.attributes
    }


def test_a_request_is_one_span_of_the_clients_own_trace(collector: Collector) -> None:
    (span,) = traced(collector, _REQUEST)
    assert span.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert span.parent_span_id.hex() == "b7ad6b7169203331"
    assert span.end_time_unix_nano - span.start_time_unix_nano == 1_500_000_000
    said = values(span)
    assert said["gen_ai.request.model"] == "alias"
    assert said["gen_ai.usage.input_tokens"] == 7
    assert said["gen_ai.usage.output_tokens"] == 11
    assert said["http.response.status_code"] == 200
    assert said["rbee.request_id"] == "req-1"
    assert said["rbee.queue_s"] == pytest.approx(0.25)


def test_nothing_of_the_prompt_leaves(collector: Collector) -> None:
    traced(collector, _REQUEST)
    assert collector.bodies
    assert all(b"secret" not in body for body in collector.bodies)


def test_a_failure_is_marked_and_a_bad_traceparent_begins_a_trace(collector: Collector) -> None:
    failed = Request(endpoint="/v1/rerank", status=503, whole_s=0.1, traceparent="nonsense")
    (span,) = traced(collector, failed)
    assert span.status.code == 2
    assert not span.parent_span_id
    assert span.name == "/v1/rerank"


@pytest.mark.anyio
async def test_a_queen_with_a_collector_tells_of_every_request(collector: Collector) -> None:
    settings = Settings(quiet_s=0.0, store="memory", otlp_endpoint=collector.url)
    async with running_queen(settings=settings) as at:
        await at.http.post(
            "/v1/chat/completions",
            json={"model": "nobody-has-it", "messages": [{"role": "user", "content": "secret"}]},
            headers={"x-request-id": "mine", "traceparent": str(_REQUEST.traceparent)},
        )
    (span,) = collector.spans()
    said = values(span)
    assert said["rbee.request_id"] == "mine"
    assert said["gen_ai.request.model"] == "nobody-has-it"
    assert said["http.response.status_code"] in {404, 503}
    assert span.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert all(b"secret" not in body for body in collector.bodies)


def test_no_collector_no_traces() -> None:
    assert make_traces(None, {}) is None
    off = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"}
    assert make_traces(None, off) is None


def test_a_missing_extra_is_said_and_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rbee.queen.spans", None)
    assert make_traces("http://127.0.0.1:1", {}) is None
