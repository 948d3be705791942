"""OpenTelemetry, an extra: one span for each request for inference, after its end.

Off unless ``OTEL_EXPORTER_OTLP_ENDPOINT`` (or ``otlp_endpoint`` in config.toml) names a
collector; then nothing of the library is imported, and a request pays for one
comparison with None. A span says who answered, how long each part took and how many
tokens it was; never a word of a prompt, an answer or a key. Names follow
OpenTelemetry's conventions for generative AI where they have one, else ``rbee.``.
"""

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from rbee import __version__
from rbee.foundation import logs
from rbee.queen.inference.call import Call
from rbee.queen.inference.usage import Usage
from rbee.queen.registry.workers import RoutableWorker

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.util.types import AttributeValue

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
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

_log = logs.get(__name__)


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A request that has ended. Times in seconds, counted from its arrival.

    ``call`` is null when its body could not be read. ``traceparent`` is the client's
    own trace (W3C Trace Context), of which this becomes a part.
    """

    endpoint: str
    status: int
    whole_s: float
    call: Call | None = None
    worker: RoutableWorker | None = None
    queue_s: float = 0.0
    first_s: float | None = None
    usage: Usage | None = None
    events: int = 0
    continued: int = 0
    traceparent: str | None = None


class Traces:
    """Turns requests into spans. ``provider`` owns the way to the collector."""

    def __init__(self, provider: "TracerProvider") -> None:
        # The libraries of the extra `otel`, which need not be there.
        from opentelemetry.trace import SpanKind, StatusCode  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
            TraceContextTextMapPropagator,
        )

        self._provider = provider
        self._tracer = provider.get_tracer("rbee.queen", __version__)
        self._kind = SpanKind.SERVER
        self._error = StatusCode.ERROR
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
            kind=self._kind,
            attributes=attributes_of(request),
            start_time=ended_ns - int(request.whole_s * _NS),
        )
        if request.status >= _SERVERS_FAULT:
            span.set_status(self._error)
        span.end(ended_ns)

    def close(self) -> None:
        """Send what is left; blocks for up to three seconds."""
        self._provider.force_flush(_FLUSH_MS)
        self._provider.shutdown()


def attributes_of(request: Request) -> "dict[str, AttributeValue]":
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


def make_traces(endpoint: str | None, environ: Mapping[str, str] = os.environ) -> Traces | None:
    """Spans for the collector at ``endpoint`` or in the environment; None where none is named.

    Without the extra it says so in the log and goes on: the variable may be there for
    other programs of the machine.
    """
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    if not endpoint and not any(environ.get(name) for name in _ENDPOINTS):
        return None
    try:  # 0.2 s and 20 MB that only who asks for traces should pay for
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError:
        _log.warning("no traces", reason="the extra is missing", remedy="pip install 'rbee[otel]'")
        return None
    named = {} if environ.get("OTEL_SERVICE_NAME") else {"service.name": "rbee-queen"}
    resource = Resource.create({**named, "service.version": __version__})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint.rstrip("/") + _PATH if endpoint else None)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _log.info("traces", endpoint=endpoint or "as the environment says")
    return Traces(provider)


def _name(request: Request) -> str:
    """Low in variety, as collectors want it."""
    return f"{_OPERATIONS.get(request.endpoint, request.endpoint)} {_model(request)}".strip()


def _model(request: Request) -> str:
    return "" if request.worker is None else request.worker.model
