"""vLLM as a program: ``vllm serve`` from a virtual environment of its own.

It speaks the OpenAI API itself, so this process becomes it. Its key travels in
its environment (``VLLM_API_KEY``), because its command line is for all to read.
Flags: vLLM's own reference of ``vllm serve``.
"""

import os
from typing import Final

from rbee.errors import CorruptModel
from rbee.worker.becoming import become
from rbee.worker.preflight import check_port
from rbee.worker.settings import WorkerSettings, read_key

KEY_VARIABLE: Final = "VLLM_API_KEY"
_SILENT: Final = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
"""It would tell its makers of each start."""


def serve(settings: WorkerSettings) -> None:
    """Check what can be checked, then become the server.

    Raises:
        InvalidRequest: the key file or the address is wrong.
        PortTaken: somebody else listens on the port.
        CorruptModel: there is neither a folder with a ``config.json`` nor a file.
        EngineUnusable: the program cannot be started.
    """
    key = read_key(settings.key_file)
    check_port(settings.host, settings.port)
    _check_model(settings)
    become(launch_argv(settings), {**os.environ, **_SILENT, KEY_VARIABLE: key})


def launch_argv(settings: WorkerSettings) -> list[str]:
    """The command line. A context is per request there, so one may use all of it."""
    argv = [
        str(settings.binary), "serve", str(settings.model),
        "--served-model-name", settings.alias,
        "--host", settings.host,
        "--port", str(settings.port),
        "--max-model-len", str(settings.context_tokens),
        "--max-num-seqs", str(settings.slots),
    ]  # fmt: skip
    if settings.tensor_split is not None and len(settings.tensor_split) > 1:
        argv += ["--tensor-parallel-size", str(len(settings.tensor_split))]
    if settings.task != "generate":
        argv += ["--runner", "pooling"]
    return argv


def _check_model(settings: WorkerSettings) -> None:
    model = settings.model
    if model.is_file() or (model / "config.json").is_file():
        return
    what = "a folder without a config.json" if model.is_dir() else "not there"
    raise CorruptModel(
        f"vLLM wants a model's folder or file, and {model} is {what}.",
        remedy="Name the folder that holds config.json and the safetensors files.",
    )
