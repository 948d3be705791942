"""What a worker is told on its command line.

The hive writes this line (``hive/engines``) and the engines read the struct.
The rule: everything is explicit, nothing is guessed from the environment, and
the key comes in a file, because every user of the machine can read an argv.
Plain argparse: a worker's start-up is part of every cold start.
"""

import argparse
import ipaddress
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NoReturn, get_args

import msgspec

from rbee.contracts.jobs import ALL_LAYERS, SplitMode
from rbee.contracts.workers import Task
from rbee.errors import InvalidRequest

EngineName = Literal["xllamacpp", "scripted", "llama-server", "vllm", "upstream"]

CONTEXT_TOKENS_MIN = 64  # less cannot hold a chat template and an answer
CONTEXT_TOKENS_MAX = 16_777_216  # above any published model; a typing error, not a wish
SLOTS_MAX = 256  # llama.cpp's own bound on parallel sequences
THREADS_MAX = 1_024  # above the largest machine; a typing error, not a wish
BATCH_TOKENS_MIN = 32  # llama.cpp's own lower bound for matrix kernels
BATCH_TOKENS_MAX = 65_536  # its buffers grow with it: gigabytes beyond this
GPUS_MAX = 128  # llama.cpp's own bound on devices
GPU_LAYERS_MAX = 100_000  # "all of them" is often written as a large number
PORT_MAX = 65_535  # a port is 16 bits
KEY_LENGTH_MIN = 16  # a shorter secret can be guessed by trying


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One worker, as its hive wants it.

    ``context_tokens`` is shared by all ``slots`` (one unified cache). ``threads``
    null lets the engine count cores; ``gpu_layers`` null lets it fit the device, -1
    is all. ``split_mode``, ``tensor_split`` and ``main_gpu`` are for several devices,
    which the process sees numbered from 0.
    ``batch_tokens`` are computed at once; null is the engine's default.
    ``key_file`` lies in the worker's private directory, which is also where the
    engine's own files go. ``script`` is for the scripted engine only.

    ``binary`` is the program of the engines that are programs. The upstream engine
    relays to ``upstream`` (a URL without path), or to what it starts itself: ``child``
    is that command, with ``{port}`` where the port belongs. ``upstream_model`` is the
    model's name there, ``upstream_key_file`` holds the key that it wants, ``health``
    is the path that answers 200 once a child is ready.

    With ``tls_host`` and ``tls_port`` the worker opens a port to the queen on another
    machine; ``identity`` is the folder of its key, certificate and CA, ``trust`` the
    networks (CIDR) from which it also takes plain connections. ``door_of`` is for the
    process beside an engine: its listening descriptor and the engine's pid.
    """

    engine: EngineName
    model: Path
    alias: str
    host: str
    port: int
    key_file: Path
    context_tokens: int
    slots: int
    threads: int | None = None
    task: Task = "generate"
    gpu_layers: int | None = None
    split_mode: SplitMode | None = None
    tensor_split: tuple[float, ...] | None = None
    main_gpu: int | None = None
    batch_tokens: int | None = None
    script: Path | None = None
    binary: Path | None = None
    upstream: str | None = None
    upstream_model: str | None = None
    upstream_key_file: Path | None = None
    child: tuple[str, ...] | None = None
    health: str = "/health"
    tls_host: str | None = None
    tls_port: int | None = None
    identity: Path | None = None
    trust: tuple[str, ...] = ()
    door_of: tuple[int, int] | None = None

    @property
    def directory(self) -> Path:
        """The worker's private directory."""
        return self.key_file.parent


class _Parser(argparse.ArgumentParser):
    """argparse that raises instead of printing its usage and leaving."""

    def error(self, message: str) -> NoReturn:
        raise InvalidRequest(
            f"Wrong arguments for a worker: {message}.",
            remedy="`python -m rbee.worker --help` lists them.",
        )


def parse_arguments(argv: Sequence[str]) -> WorkerSettings:
    """Read a worker's command line (without the program's name).

    Raises:
        InvalidRequest: a flag is unknown, missing or out of range.
    """
    found = _parser().parse_args(argv)
    settings = WorkerSettings(**vars(found))
    _check_range("--port", settings.port, 1, PORT_MAX)
    _check_range("--tls-port", settings.tls_port, 1, PORT_MAX)
    _check_range("--context", settings.context_tokens, CONTEXT_TOKENS_MIN, CONTEXT_TOKENS_MAX)
    _check_range("--slots", settings.slots, 1, SLOTS_MAX)
    _check_range("--threads", settings.threads, 1, THREADS_MAX)
    _check_range("--gpu-layers", settings.gpu_layers, ALL_LAYERS, GPU_LAYERS_MAX)
    _check_range("--main-gpu", settings.main_gpu, 0, GPUS_MAX - 1)
    _check_range("--batch", settings.batch_tokens, BATCH_TOKENS_MIN, BATCH_TOKENS_MAX)
    if not settings.alias.strip():
        raise InvalidRequest("--alias is empty.", remedy="Give the model's id.", param="--alias")
    if settings.script is not None and settings.engine != "scripted":
        raise InvalidRequest(
            f"--script is for the scripted engine, not for {settings.engine}.", param="--script"
        )
    _check_program(settings)
    tls = (settings.tls_host, settings.tls_port, settings.identity)
    if any(part is not None for part in tls) and None in tls:
        raise InvalidRequest(
            "--tls-host, --tls-port and --identity belong together.", param="--tls-port"
        )
    return settings


def _check_program(settings: WorkerSettings) -> None:
    """An engine that is a program, or a relay, is told which, and only once."""
    if settings.engine in {"llama-server", "vllm"} and settings.binary is None:
        raise InvalidRequest(f"The engine {settings.engine} wants --binary.", param="--binary")
    if settings.engine == "upstream" and (settings.upstream is None) == (settings.child is None):
        raise InvalidRequest(
            "The engine upstream wants one of --upstream and --child.", param="--upstream"
        )


def read_key(path: Path) -> str:
    """Read the bearer secret that callers must send.

    Raises:
        InvalidRequest: the file cannot be read, or holds too short a key.
    """
    try:
        key = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(
            f"The key file {path} cannot be read: {_reason(error)}.", param="--key-file"
        ) from None
    if len(key) < KEY_LENGTH_MIN:
        raise InvalidRequest(
            f"The key in {path} is shorter than {KEY_LENGTH_MIN} characters.", param="--key-file"
        )
    return key


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m rbee.worker", description="Serve one model on one port.")
    add = parser.add_argument
    add("--engine", required=True, choices=get_args(EngineName))
    add("--model", required=True, type=Path, help="the model's file")
    add("--alias", required=True, help="the model's id in the colony")
    add("--host", required=True)
    add("--port", required=True, type=int)
    add("--key-file", required=True, type=Path, help="holds the bearer secret, mode 0600")
    add("--context", required=True, type=int, dest="context_tokens", help="tokens for all slots")
    add("--slots", required=True, type=int, help="requests at once")
    add("--threads", type=int)
    add("--task", choices=get_args(Task), default="generate")
    add("--gpu-layers", type=int)
    add("--split-mode", choices=("none", "layer", "row"))
    add("--tensor-split", type=_shares, help="a part for each device, as 0.6,0.4")
    add("--main-gpu", type=int)
    add("--batch", type=int, dest="batch_tokens", help="tokens computed at once")
    add("--script", type=Path, help="JSON file with faults (scripted only)")
    add("--binary", type=Path, help="the engine's program (llama-server, vllm)")
    add("--upstream", help="URL of the server that answers (upstream)")
    add("--upstream-model", help="the model's name there")
    add("--upstream-key-file", type=Path, help="holds the key that it wants, mode 0600")
    add("--child", type=_words, help="JSON list: a command that serves on {port} (upstream)")
    add("--health", default="/health", help="a child's path that says that it is ready")
    add("--tls-host", help="this machine's address, for the queen on another one")
    add("--tls-port", type=int)
    add("--identity", type=Path, help="folder of key.pem, cert.pem and ca.pem")
    add("--trust", type=_networks, default=(), help="networks that may come without TLS")
    add("--door-of", type=_door, help=argparse.SUPPRESS)
    return parser


def _networks(text: str) -> tuple[str, ...]:
    """Read ``--trust``; argparse turns the error into its own words."""
    try:
        return tuple(str(ipaddress.ip_network(part)) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError("wants networks, as 10.0.0.0/8,fd00::/8") from None


def _door(text: str) -> tuple[int, int]:
    """Read ``--door-of``: a descriptor and a pid."""
    descriptor, pid = (int(part) for part in text.split(","))
    return descriptor, pid


def _shares(text: str) -> tuple[float, ...]:
    """Read ``--tensor-split``; argparse turns the error into its own words."""
    shares = tuple(float(part) for part in text.split(","))
    if len(shares) > GPUS_MAX or not all(0 <= share < float("inf") for share in shares):
        raise argparse.ArgumentTypeError(f"wants up to {GPUS_MAX} numbers from 0 up")
    return shares


def _words(text: str) -> tuple[str, ...]:
    """Read ``--child``; argparse turns the error into its own words."""
    try:
        words = msgspec.json.decode(text, type=tuple[str, ...])
    except msgspec.MsgspecError:
        words = ()
    if not words:
        raise argparse.ArgumentTypeError("wants a JSON list of words")
    return words


def _check_range(flag: str, value: int | None, low: int, high: int) -> None:
    if value is not None and not low <= value <= high:
        raise InvalidRequest(f"{flag} is {value}, outside {low} to {high}.", param=flag)


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else "it is not plain text"
