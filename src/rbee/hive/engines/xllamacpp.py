"""The default engine: llama.cpp's own server, hosted by ``python -m rbee.worker``.

Its wheel comes with rbee and runs on any CPU with AVX2 (and on arm64). It does
not notice a caller who leaves without streaming, so the queen asks it for
streams (wire.md).
"""

import importlib.metadata
import sys

from rbee.contracts.hives import DeviceType
from rbee.hive.engines import llamacpp_readings
from rbee.hive.engines.engine import (
    Launch,
    LaunchSpec,
    Place,
    Reading,
    engine_env,
    worker_argv,
)

_PROBE = "import xllamacpp; xllamacpp.get_device_info()"


class XLlamaCpp:
    """llama.cpp in a worker process of ours."""

    name = "xllamacpp"
    unary_cancel = False
    automatic = True
    device_types: frozenset[DeviceType] = frozenset({"cpu"})
    features = ("chat", "completions", "embeddings", "tokenize")

    def version(self) -> str | None:
        """The installed wheel's version."""
        try:
            return importlib.metadata.version("xllamacpp")
        except importlib.metadata.PackageNotFoundError:
            return None

    def probe_argv(self) -> list[str] | None:
        """Load the extension and ask it for devices: a CPU that it was not built for dies here."""
        return [sys.executable, "-c", _PROBE]

    def launch(self, spec: LaunchSpec, place: Place) -> Launch:
        """A worker process with the model's file."""
        return Launch(
            argv=worker_argv(spec, place, model_path=spec.model_path or ""),
            env=engine_env(place, spec.env),
        )

    def read(self, slots: bytes | None, metrics: str | None) -> Reading:
        """llama.cpp's slots and metrics."""
        return llamacpp_readings.read(slots, metrics)
