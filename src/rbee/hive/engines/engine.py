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
from typing import Final, Protocol

import msgspec

import rbee
from rbee.contracts.hives import DeviceType
from rbee.contracts.jobs import SplitMode
from rbee.contracts.workers import Task
from rbee.hive.engine_settings import Takes
from rbee.hive.engines import llamacpp_readings
from rbee.hive.engines.reading import Reading

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
    "OMP_WAIT_POLICY",  # the worker lets threads sleep unless this says otherwise
)
"""What an engine inherits. A list of what may pass, so that no token ever does."""


class LaunchSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One worker process, as the hive wants it. Kept in its state file.

    ``model_path`` is null for an engine without files. ``context_tokens`` is
    shared by the slots. ``device_ids`` are ids of ``Device``; ``threads`` null
    lets the engine count. ``upstream`` is the server behind a relay, its URL or its name in
    the settings. ``gpu_layers`` to ``main_gpu`` are as in
    ``hive.devices.choice.Placing``; ``env`` binds the process to its devices.
    ``memory_max_bytes`` is where the system ends it, null for no limit.
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
    memory_max_bytes: int | None = None
    upstream: str | None = None


class Outside(msgspec.Struct, frozen=True, kw_only=True):
    """Where a worker takes a queen's connections from other machines (``rbee.worker.tls``).

    ``host`` is an address of this machine; the port is the worker's own number, which on
    another address is another port. ``identity`` is the folder with key, certificate and
    CA, ``trust`` the networks (CIDR) that may come without TLS.
    """

    host: str
    identity: Path
    trust: tuple[str, ...] = ()


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a worker process lives: its private directory, key file, address and port."""

    directory: Path
    key_file: Path
    host: str
    port: int
    outside: Outside | None = None


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """What to start. Nothing in it is secret."""

    argv: list[str]
    env: dict[str, str]


class Face(msgspec.Struct, frozen=True, kw_only=True):
    """Where a worker's process tells of itself. All have ``/health`` and ``/v1/models``.

    ``keyed_path`` is a GET that wants the key and answers 200 with it. A null path is
    not asked.
    """

    keyed_path: str = "/props"
    slots_path: str | None = "/slots"
    metrics_path: str | None = "/metrics"


LLAMACPP_FACE: Final = Face()


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

    @property
    def places_layers(self) -> bool:
        """It takes ``gpu_layers`` and a split, and needs the memory that ``rbee.fit`` reckons."""
        ...

    @property
    def request_mark(self) -> bytes | None:
        """What its log says once for each request; None: its metrics count them, or nobody."""
        ...

    @property
    def takes(self) -> Takes:
        """What kind of model it loads."""
        ...

    @property
    def face(self) -> Face:
        """Where its process tells of itself."""
        ...

    @property
    def own_page(self) -> bool:
        """It serves a page for people at ``/``, with paths that work below a prefix."""
        ...

    def missing(self) -> str | None:
        """Why it is not installed, and what to do; None when it is. Starts nothing."""
        ...

    def version(self) -> str | None:
        """The installed version as far as it is known; None when it is not."""
        ...

    def trials(self) -> list[list[str]]:
        """Commands that all exit 0 when the engine works here; none: nothing to try."""
        ...

    def trial_env(self) -> dict[str, str]:
        """What their environment has besides the hive's own."""
        ...

    def learn(self, said: Sequence[str]) -> None:
        """Take in what the trials printed, one text for each."""
        ...

    def launch(self, spec: LaunchSpec, place: Place) -> Launch:
        """What to start for ``spec`` at ``place``."""
        ...

    def read(self, slots: bytes | None, metrics: str | None) -> Reading:
        """Make sense of the bodies of ``/slots`` and ``/metrics``; None: no answer."""
        ...


def allowed_env() -> dict[str, str]:
    """What any process of a worker may inherit: nothing that is secret."""
    return {name: os.environ[name] for name in _INHERITED if name in os.environ}


def engine_env(place: Place, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of an engine: an allow-list of ours, its mark, and ``extra``."""
    env = allowed_env()
    env["PYTHONUNBUFFERED"] = "1"  # its last words must be in the log when it dies
    env["HF_HUB_OFFLINE"] = "1"  # the hive fetches models; an engine never does
    env[WORKER_DIRECTORY_VARIABLE] = str(place.directory)
    env.update(extra or {})
    return env


class Adapter:
    """What most engines have in common; an engine says what is different."""

    unary_cancel = False
    automatic = False
    places_layers = False
    request_mark: bytes | None = None
    takes: Takes = "file"
    face = LLAMACPP_FACE
    own_page = False
    device_types: frozenset[DeviceType] = frozenset({"cpu"})
    features: tuple[str, ...] = ("chat", "completions", "embeddings")

    def missing(self) -> str | None:
        """It is part of rbee."""
        return None

    def version(self) -> str | None:
        """It is part of rbee."""
        return rbee.__version__

    def trials(self) -> list[list[str]]:
        """Nothing to try: it is plain Python of ours."""
        return []

    def trial_env(self) -> dict[str, str]:
        """Nothing more than the hive has."""
        return {}

    def learn(self, said: Sequence[str]) -> None:
        """Nothing to learn."""

    def read(self, slots: bytes | None, metrics: str | None) -> Reading:
        """llama.cpp's slots and metrics."""
        return llamacpp_readings.read(slots, metrics)


def worker_argv(
    spec: LaunchSpec,
    place: Place,
    *,
    model_path: str,
    engine: str | None = None,
    more: Sequence[str] = (),
) -> list[str]:
    """The command line of ``python -m rbee.worker``; ``engine`` is its word, if it is another."""
    argv = [
        sys.executable, "-m", "rbee.worker",
        "--engine", engine or spec.engine,
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
    if place.outside is not None:
        argv += _outside_flags(place.outside, place.port)
    return [*argv, *more]


def _outside_flags(outside: Outside, port: int) -> list[str]:
    """The port for a queen on another machine."""
    flags = ["--tls-host", outside.host, "--tls-port", str(port)]
    flags += ["--identity", str(outside.identity)]
    return [*flags, "--trust", ",".join(outside.trust)] if outside.trust else flags


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
