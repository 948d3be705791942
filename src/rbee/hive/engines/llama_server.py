"""``llama-server``: llama.cpp's server as a program, from PATH or ``[hive] llama_server``.

For builds that no wheel has: CUDA, ROCm, Vulkan or Metal of this very machine.
``--version`` is how a build that was made for another CPU shows itself (a
prebuilt one died of SIGILL when that was tried), ``--list-devices`` says what it
can use. The worker checks file and port, then becomes the program.
"""

import re
import shutil
from collections.abc import Sequence
from typing import Final

from rbee.contracts.hives import DeviceType
from rbee.hive.engines import llamacpp_readings
from rbee.hive.engines.engine import (
    Adapter,
    Launch,
    LaunchSpec,
    Place,
    engine_env,
    worker_argv,
)

PROGRAM: Final = "llama-server"
_VERSION: Final = re.compile(r"^version: (\S+)", re.MULTILINE)
_DEVICE: Final = re.compile(r"^\s+([A-Za-z]+)\d*:", re.MULTILINE)
_KINDS: Final[dict[str, DeviceType]] = {
    "CUDA": "cuda",
    "ROCm": "rocm",
    "HIP": "rocm",
    "Vulkan": "vulkan",
    "Metal": "metal",
    "MTL": "metal",
}
"""The names that llama.cpp's backends give their devices."""


class LlamaServer(Adapter):
    """The program; ``configured`` is its path or name, null looks on PATH."""

    name = PROGRAM
    automatic = True
    places_layers = True
    own_page = True
    request_mark = llamacpp_readings.REQUEST_MARK
    features = ("chat", "completions", "embeddings", "tokenize")

    def __init__(self, configured: str | None = None) -> None:
        self._configured = configured
        self._version: str | None = None
        self.device_types: frozenset[DeviceType] = frozenset({"cpu"})

    def missing(self) -> str | None:
        """Whether the program is there."""
        if self._path() is not None:
            return None
        if self._configured is not None:
            return f"{self._configured} ([hive] llama_server) is no program"
        return f"there is no {PROGRAM} on PATH (or name it in [hive] llama_server)"

    def version(self) -> str | None:
        """The build's number, once it was tried."""
        return self._version

    def trials(self) -> list[list[str]]:
        """Its version, then its devices; both start all of its libraries."""
        path = self._path() or PROGRAM
        return [[path, "--version"], [path, "--list-devices"]]

    def learn(self, said: Sequence[str]) -> None:
        """The build's number and the kinds of device that it found."""
        version = _VERSION.search(said[0]) if said else None
        self._version = version[1] if version else None
        names = _DEVICE.findall(said[1]) if len(said) > 1 else []
        kinds: set[DeviceType] = {"cpu"}
        kinds.update(_KINDS[name] for name in names if name in _KINDS)
        self.device_types = frozenset(kinds)

    def launch(self, spec: LaunchSpec, place: Place) -> Launch:
        """A worker process that becomes the program."""
        more = ["--binary", self._path() or PROGRAM]
        return Launch(
            argv=worker_argv(spec, place, model_path=spec.model_path or "", more=more),
            env=engine_env(place, spec.env),
        )

    def _path(self) -> str | None:
        return shutil.which(self._configured or PROGRAM)
