"""Requests as OpenTelemetry's spans: the one module that needs the extra ``otel``.

Imported only by ``tracing``, and only where a collector is named. A span says who
answered, how long each part took and how many tokens it was; never a word of a prompt,
an answer or a key. Names follow OpenTelemetry's conventions for generative AI where
they have one, else ``rbee.``.
"""

import time
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from rbee import __version__
from rbee.queen.tracing import Request

_PATH: Final = "/v1/traces"
_NS: Final = 1_000_000_000
_FLUSH_MS: Final = 3_000  # a collector that does not answer must not hold up a shutdown
_SERVERS_FAULT: Final = 500

_OPERATIONS: Final = {
    "/v1/chat/completions": "chat",
    "/v1/messages": "chat",
    "/v1/responses": "chat",
    "/v1/completions": "text_completion",
    "/v1/embeddings": "embeddings",
}


class Spans:
    """Turns requests into spans. ``provider`` owns the way to the collector."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("rbee.queen", __version__)
        self._propagator = TraceContextTextMapPropagator()

    def ended(self, request: Request) -> None:
        """One span, from the request's arrival until now."""
        ended_ns = time.time_ns()
        parent = None
        if request.traceparent:
            parent = self._propagator.extract({"traceparent": request.traceparent})
        span = self._tracer.start_span(
            _name(request),
            context=parent,
            kind=SpanKind.SERVER,
            attributes=attributes_of(request),
            start_time=ended_ns - int(request.whole_s * _NS),
        )
        if request.status >= _SERVERS_FAULT:
            span.set_status(StatusCode.ERROR)
        span.end(ended_ns)

    def close(self) -> None:
        """Send what is left; blocks for up to three seconds."""
        self._provider.force_flush(_FLUSH_MS)
        self._provider.shutdown()


def exporting(endpoint: str | None, *, named: bool) -> Spans:
    """Spans that go to ``endpoint``, or where the environment says.

    ``named``: the environment gives the service's name too.
    """
    own = {} if named else {"service.name": "rbee-queen"}
    resource = Resource.create({**own, "service.version": __version__})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint.rstrip("/") + _PATH if endpoint else None)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return Spans(provider)


def attributes_of(request: Request) -> dict[str, AttributeValue]:
    """What a span says of a request. Unknown is left out."""
    found: dict[str, AttributeValue | None] = {
        "http.request.method": "POST",
        "url.path": request.endpoint,
        "http.response.status_code": request.status,
        "rbee.queue_s": request.queue_s,
        "rbee.time_to_first_token_s": request.first_s,
        "rbee.stream_events": request.events or None,
        "rbee.continued": request.continued or None,
        "gen_ai.operation.name": _OPERATIONS.get(request.endpoint),
        "gen_ai.provider.name": "rbee",
    }
    if (call := request.call) is not None:
        found["gen_ai.request.model"] = call.model
        found["rbee.job_id"] = call.job_id
        found["rbee.request_id"] = call.request_id or call.job_id
        found["rbee.principal"] = call.principal.id
        found["rbee.stream"] = call.stream
    if (worker := request.worker) is not None:
        found["gen_ai.response.model"] = worker.model
        found["rbee.worker_id"] = worker.worker_id
        found["rbee.hive_id"] = worker.hive_id
    if request.usage is not None:
        found["gen_ai.usage.input_tokens"] = request.usage.prompt
        found["gen_ai.usage.output_tokens"] = request.usage.completion
    return {name: value for name, value in found.items() if value is not None}


def _name(request: Request) -> str:
    """Low in variety, as collectors want it."""
    return f"{_OPERATIONS.get(request.endpoint, request.endpoint)} {_model(request)}".strip()


def _model(request: Request) -> str:
    return "" if request.worker is None else request.worker.model
