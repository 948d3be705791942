"""OpenTelemetry, an extra: one span for each request for inference, after its end.

Off unless ``OTEL_EXPORTER_OTLP_ENDPOINT`` (or ``otlp_endpoint`` in config.toml) names a
collector; then nothing of the library is imported (``spans`` does that), and a request
pays for one comparison with None.
"""

import importlib
import os
from collections.abc import Mapping
from typing import Any, Final, Protocol

import msgspec

from rbee.foundation import logs
from rbee.queen.inference.call import Call
from rbee.queen.inference.usage import Usage
from rbee.queen.registry.workers import RoutableWorker

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

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


class Traces(Protocol):
    """Where requests become spans."""

    def ended(self, request: Request) -> None:
        """A request has ended just now."""
        ...

    def close(self) -> None:
        """Send what is left; blocks for up to three seconds."""
        ...


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
        spans: Any = importlib.import_module("rbee.queen.spans")
    except ImportError:
        _log.warning("no traces", reason="the extra is missing", remedy="pip install 'rbee[otel]'")
        return None
    _log.info("traces", endpoint=endpoint or "as the environment says")
    made: Traces = spans.exporting(endpoint, named="OTEL_SERVICE_NAME" in environ)
    return made
