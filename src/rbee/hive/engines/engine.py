"""The seam to an engine: what the hive must know to run any of them.

An engine describes; it starts nothing. ``workers/supervisor`` asks it for argv
and environment, ``workers/probe`` for how to read what the process answers.
To add an engine: one file with one class, one line in ``catalog``, and it must
pass the engine conformance suite (tests/system).
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, Protocol

import msgspec

from rbee.contracts.hives import DeviceType
from rbee.contracts.jobs import SplitMode

Task = Literal["generate", "embeddings"]

WORKER_DIRECTORY_VARIABLE: Final = "RBEE_WORKER_DIRECTORY"
"""In every engine's environment: by it a hive knows a process as one of its own."""

_INHERITED: Final = (
    "PATH",
    "HOME",
    "USERPROFILE",
    "SYSTEMROOT",
    "TEMP",
    "TMP",
    "TMPDIR",
    "LANG",
    "LC_ALL",
    "TZ",
    "PYTHONPATH",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
)
"""What an engine inherits. A list of what may pass, so that no token ever does."""


class LaunchSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One worker process, as the hive wants it. Kept in its state file.

    ``model_path`` is null for an engine without files. ``context_tokens`` is
    shared by the slots. ``device_ids`` are ids of ``Device``; ``threads`` null
    lets the engine count. ``gpu_layers`` to ``main_gpu`` are as in
    ``hive.devices.choice.Placing``; ``env`` binds the process to its devices.
    """

    engine: str
    model: str
    model_path: str | None
    task: Task
    context_tokens: int
    slots: int
    device_ids: tuple[str, ...]
    threads: int | None = None
    gpu_layers: int | None = None
    split_mode: SplitMode | None = None
    tensor_split: tuple[float, ...] | None = None
    main_gpu: int | None = None
    env: dict[str, str] = msgspec.field(default_factory=dict[str, str])


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a worker process lives: its private directory, key file, address and port."""

    directory: Path
    key_file: Path
    host: str
    port: int


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """What to start. Nothing in it is secret."""

    argv: list[str]
    env: dict[str, str]


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker says of itself in one look. Unknown is null.

    ``tokens_total`` counts generated tokens since its start; the hive makes a
    rate of it.
    """

    slots_total: int | None = None
    slots_busy: int | None = None
    queued: int | None = None
    tokens_total: float | None = None
    requests_total: int | None = None


class Engine(Protocol):
    """An engine as the hive sees it."""

    @property
    def name(self) -> str:
        """What ``worker`` calls it."""
        ...

    @property
    def unary_cancel(self) -> bool:
        """It notices a caller who does not stream and leaves."""
        ...

    @property
    def automatic(self) -> bool:
        """``worker: auto`` may choose it."""
        ...

    @property
    def device_types(self) -> frozenset[DeviceType]:
        """What it can run on."""
        ...

    @property
    def features(self) -> tuple[str, ...]:
        """API features, for display."""
        ...

    def version(self) -> str | None:
        """The installed version, found without starting it; None when it is not there."""
        ...

    def probe_argv(self) -> list[str] | None:
        """A command that exits 0 when the engine works here; None: nothing to try."""
        ...

    def launch(self, spec: LaunchSpec, place: Place) -> Launch:
        """What to start for ``spec`` at ``place``."""
        ...

    def read(self, slots: bytes | None, metrics: str | None) -> Reading:
        """Make sense of the bodies of ``/slots`` and ``/metrics``; None: no answer."""
        ...


def engine_env(place: Place, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of an engine: an allow-list of ours, its mark, and ``extra``."""
    env = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    env["PYTHONUNBUFFERED"] = "1"  # its last words must be in the log when it dies
    env["HF_HUB_OFFLINE"] = "1"  # the hive fetches models; an engine never does
    env[WORKER_DIRECTORY_VARIABLE] = str(place.directory)
    env.update(extra or {})
    return env


def worker_argv(
    spec: LaunchSpec, place: Place, *, model_path: str, more: Sequence[str] = ()
) -> list[str]:
    """The command line of ``python -m rbee.worker``, for the engines that run in it."""
    argv = [
        sys.executable, "-m", "rbee.worker",
        "--engine", spec.engine,
        "--model", model_path,
        "--alias", spec.model,
        "--host", place.host,
        "--port", str(place.port),
        "--key-file", str(place.key_file),
        "--context", str(spec.context_tokens),
        "--slots", str(spec.slots),
        "--task", spec.task,
    ]  # fmt: skip
    if spec.threads is not None:
        argv += ["--threads", str(spec.threads)]
    if spec.gpu_layers is not None:
        argv += ["--gpu-layers", str(spec.gpu_layers)]
    if len(spec.device_ids) > 1:
        argv += _split_flags(spec)
    return [*argv, *more]


def _split_flags(spec: LaunchSpec) -> list[str]:
    """How the model lies on several devices."""
    flags: list[str] = []
    if spec.split_mode is not None:
        flags += ["--split-mode", spec.split_mode]
    if spec.tensor_split is not None:
        flags += ["--tensor-split", ",".join(f"{share:g}" for share in spec.tensor_split)]
    if spec.main_gpu is not None:
        flags += ["--main-gpu", str(spec.main_gpu)]
    return flags
