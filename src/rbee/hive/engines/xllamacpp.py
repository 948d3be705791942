"""The default engine: llama.cpp's own server, hosted by ``python -m rbee.worker``.

Its wheel comes with rbee and runs on any CPU with AVX2 (and on arm64). Builds
with graphics code are the same package from other indexes: ``rbee engine
install cuda`` puts one into an environment of its own, and a worker of it sees
those packages before ours. It does not notice a caller who leaves without
streaming, so the queen asks it for streams (wire.md).
"""

import importlib.metadata
import os
import sys

from rbee.contracts.hives import DeviceType
from rbee.hive.engines import installed, llamacpp_readings
from rbee.hive.engines.engine import (
    Adapter,
    Launch,
    LaunchSpec,
    Place,
    engine_env,
    worker_argv,
)

GPU_BUILDS: tuple[DeviceType, ...] = ("cuda", "rocm", "vulkan")
_PROBE = "import xllamacpp; xllamacpp.get_device_info()"
# Without an index of its own `pip` finds the build for CPUs, under the same name and version: it
# loads, and every model would run on the CPU while the operator believes in the GPU.
_GPU_PROBE = """
import sys, xllamacpp
if not any("GPU" in device["type"].name for device in xllamacpp.get_device_info()):
    sys.exit("this build sees no GPU: is it the one for CPUs? `rbee engine install {build} "
             "--index URL` takes another (docs/engines.md)")
"""
_ENGINE = "xllamacpp"


class XLlamaCpp(Adapter):
    """llama.cpp in a worker process of ours; ``build`` is the graphics that it was built for."""

    automatic = True
    places_layers = True
    own_page = True
    request_mark = llamacpp_readings.REQUEST_MARK
    features = ("chat", "completions", "embeddings", "tokenize")

    def __init__(self, build: DeviceType | None = None) -> None:
        self._build = build
        self.name = _ENGINE if build is None else f"{_ENGINE}-{build}"
        self.device_types: frozenset[DeviceType] = frozenset({build or "cpu"})

    def missing(self) -> str | None:
        """Whether its wheel is there."""
        if self._build is not None:
            return installed.missing(self._build)
        return None if self.version() else "it is not installed"

    def version(self) -> str | None:
        """The installed wheel's version."""
        if self._build is not None:
            known = installed.found(self._build)
            return known.version if known else None
        try:
            return importlib.metadata.version(_ENGINE)
        except importlib.metadata.PackageNotFoundError:
            return None

    def trials(self) -> list[list[str]]:
        """Load the extension and ask it for devices: a CPU that it was not built for dies here.

        A build for GPUs has to see one.
        """
        probe = _PROBE if self._build is None else _GPU_PROBE.format(build=self._build)
        return [[sys.executable, "-c", probe]]

    def trial_env(self) -> dict[str, str]:
        """The packages of its own environment before ours."""
        if self._build is None:
            return {}
        paths = [str(installed.packages_of(self._build)), os.environ.get("PYTHONPATH", "")]
        return {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}

    def launch(self, spec: LaunchSpec, place: Place) -> Launch:
        """A worker process with the model's file."""
        return Launch(
            argv=worker_argv(spec, place, model_path=spec.model_path or "", engine=_ENGINE),
            env=engine_env(place, {**spec.env, **self.trial_env()}),
        )
