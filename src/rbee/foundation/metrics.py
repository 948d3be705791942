"""``GET /metrics``: figures of a daemon as Prometheus reads them.

Nothing is counted here. A room gives a source, which notes its own state when somebody
asks, so that nothing is computed between scrapes and a figure cannot differ from what
it is about. What every daemon has is added: its build
and its process. Names follow Prometheus' own rules (base units, ``_total`` for what
only grows). The rule each source keeps: a bounded number of lines, whatever happens.
"""

import platform
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Protocol, TypeAlias

import anyio.to_thread
import psutil
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rbee import __version__

MIB: Final = 1024 * 1024
PERCENT: Final = 100.0  # what is told in percent is shown as a ratio, Prometheus' base unit

Labels: TypeAlias = tuple[str, ...]
Families: TypeAlias = Callable[[], Iterable[Metric]]
Source: TypeAlias = Callable[[], Families]
"""Called in the daemon's loop, where it notes what is so, quickly; what it gives is called in
a thread, and makes families of that: a large colony's page takes a second to write."""


class Spread(Protocol):
    """A histogram that somebody keeps."""

    total: float

    def cumulative(self) -> Iterable[tuple[str, float]]:
        """(upper bound, values up to it), the last one ``+Inf``."""
        ...


def counter(
    name: str, about: str, labels: Labels, rows: Iterable[tuple[Sequence[str], float]]
) -> Metric:
    """A family that only grows; ``name`` is without its ``_total``."""
    family = CounterMetricFamily(name, about, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family


def gauge(
    name: str, about: str, labels: Labels, rows: Iterable[tuple[Sequence[str], float | None]]
) -> Metric:
    """A family of what is so now; a row whose value is None (unknown) is left out."""
    family = GaugeMetricFamily(name, about, labels=labels)
    for values, value in rows:
        if value is not None:
            family.add_metric(values, value)
    return family


def histogram(
    name: str, about: str, labels: Labels, rows: Iterable[tuple[Sequence[str], Spread]]
) -> Metric:
    """A family of spreads."""
    family = HistogramMetricFamily(name, about, labels=labels)
    for values, spread in rows:
        family.add_metric(values, list(spread.cumulative()), spread.total)
    return family


def scaled(value: float | None, factor: float) -> float | None:
    """``value * factor``, and unknown stays unknown."""
    return None if value is None else value * factor


def metrics_route(service: str, source: Source) -> Route:
    """``GET /metrics``, behind the gate like every route: model names are the colony's own."""
    own = _Daemon(service)

    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        families = source()

        def write() -> bytes:
            registry = CollectorRegistry(auto_describe=False)
            registry.register(_Figures(lambda: [*own.families(), *families()]))
            return encode(registry)

        body = await anyio.to_thread.run_sync(write)
        return Response(body, headers={"content-type": content_type, "cache-control": "no-store"})

    return Route("/metrics", metrics, methods=["GET"])


class _Figures(Collector):
    """The bridge to the library."""

    def __init__(self, families: Families) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """All families."""
        return self._families()


class _Daemon:
    """Build and process. psutil, because the library's own reads /proc and only that."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._process = psutil.Process()

    def families(self) -> Iterator[Metric]:
        """The families that every daemon has."""
        version = (self._service, __version__, platform.python_version())
        yield gauge(
            "rbee_build_info",
            "Always 1; the labels say what runs.",
            ("service", "version", "python"),
            [(version, 1.0)],
        )
        with self._process.oneshot():
            memory, cpu = self._process.memory_info(), self._process.cpu_times()
            yield _figure("process_resident_memory_bytes", "Resident memory.", memory.rss)
            yield _figure("process_virtual_memory_bytes", "Virtual memory.", memory.vms)
            yield counter(
                "process_cpu_seconds", "User and system time.", (), [((), cpu.user + cpu.system)]
            )
            started_at = self._process.create_time()
            yield _figure("process_start_time_seconds", "Start, in Unix seconds.", started_at)
            if sys.platform != "win32":
                open_fds = self._process.num_fds()
                yield _figure("process_open_fds", "Open file descriptors.", open_fds)


def _figure(name: str, about: str, value: float) -> Metric:
    return gauge(name, about, (), [((), value)])
