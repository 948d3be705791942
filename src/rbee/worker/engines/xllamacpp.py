"""The default engine: llama.cpp's own HTTP server, linked into an extension module.

The queen's requests arrive at that server's port and never touch Python. This
file checks what can be checked first, fills in the launch parameters, builds the
server on the main thread and then only waits to be told to stop. ``Server(...)``
holds the interpreter's lock for the whole load: nothing else of Python runs
until the model is there, so health and time-outs are the hive's, from outside.
"""

import importlib
import os
import time
from typing import Any

from rbee.contracts.jobs import SplitMode
from rbee.errors import EngineUnusable
from rbee.worker.engines.load_log import LOG_NAME, failure_in, stderr_in
from rbee.worker.leaving import leave_when_told
from rbee.worker.preflight import check_model, check_port, declares_pooling
from rbee.worker.settings import GPUS_MAX, WorkerSettings, read_key

PROMPT_CACHE_MIB = 256
"""Host memory for prompts of ended requests: some chats of 8k tokens on a small
model. llama.cpp's own default is 8 GiB for each worker, more than many hives have."""

PING_INTERVAL_S = 1
"""How often a silent stream sends a comment. The write is how the server sees that
a client left, and it shortens its stop from 30 s to 2 or 3 s."""

EMBEDDING_BATCH_TOKENS = 2_048
"""The longest single text that can be embedded or ranked: an encoder reads it in one batch,
and the batch's memory grows with its length."""

LOGICAL_BATCH_TOKENS = 2_048
"""The engine's default for what one call may bring; it may not be below the batch."""

SPLIT_MODES: dict[SplitMode, int] = {"none": 0, "layer": 1, "row": 2}
"""llama_split_mode, by number: the extension takes both."""

SLOTS_FOLDER = "slots"
_MEAN_POOLING = 1  # llama_pooling_type: the mean over a text's tokens
_RANK_POOLING = 4  # llama_pooling_type: one score for a pair of texts
_SLEEP_S = 3_600.0  # the main thread only waits for a signal; any length does


def serve(settings: WorkerSettings) -> None:
    """Load the model and serve until a signal ends the process.

    Raises:
        InvalidRequest: the key file or the address is wrong.
        PortTaken: somebody else listens on the port.
        CorruptModel: the file is missing, damaged or no GGUF.
        EngineUnusable: the extension module does not load here.
        OutOfMemory: model and context do not fit.
        EngineError: the engine refused for another reason.
    """
    key = read_key(settings.key_file)
    check_port(settings.host, settings.port)
    check_model(settings.model)
    pooled = declares_pooling(settings.model)
    _load(settings, launch_flags(settings, key, model_declares_pooling=pooled))
    leave_when_told()
    while True:
        time.sleep(_SLEEP_S)


def launch_flags(
    settings: WorkerSettings, key: str, *, model_declares_pooling: bool
) -> dict[str, object]:
    """Every launch flag that matters, none left to a default that guesses.

    Names are attributes of the engine's ``CommonParams``, dotted where nested.
    """
    flags: dict[str, object] = {
        "model.path": str(settings.model),
        # Without an alias /v1/models answers with a path of this machine.
        "model_alias": {settings.alias},
        "hostnames": [settings.host],
        "port": settings.port,
        "api_keys": [key],
        # The default echoes any page's origin; this port is for the queen alone.
        "cors_origins": f"http://{settings.host}:{settings.port}",
        "cors_credentials": False,
        "ui": True,  # people reach it through the hive alone, which knows the key
        "endpoint_metrics": True,
        "endpoint_slots": True,
        "sse_ping_interval": PING_INTERVAL_S,
        "n_ctx": settings.context_tokens,
        "n_parallel": settings.slots,
        # One long chat may use what the other slots leave.
        "kv_unified": True,
        # An answer that never ends must end.
        "n_predict": settings.context_tokens,
        "cache_ram_mib": PROMPT_CACHE_MIB,
        # A private place for saved slots; the engine wants the trailing separator.
        "slot_save_path": f"{settings.directory / SLOTS_FOLDER}/",
        # The hive fetches models; a worker has no business on the internet.
        "offline": True,
    }
    if settings.threads is not None:
        flags["cpuparams.n_threads"] = settings.threads
        flags["cpuparams_batch.n_threads"] = settings.threads
    if settings.gpu_layers is not None:
        flags["n_gpu_layers"] = settings.gpu_layers
        flags["fit_params"] = False
    if settings.split_mode is not None:
        flags["split_mode"] = SPLIT_MODES[settings.split_mode]
    if settings.tensor_split is not None:
        rest = [0.0] * (GPUS_MAX - len(settings.tensor_split))
        flags["tensor_split"] = [*settings.tensor_split, *rest]
    if settings.main_gpu is not None:
        flags["main_gpu"] = settings.main_gpu
    if settings.batch_tokens is not None:
        flags["n_ubatch"] = settings.batch_tokens
        flags["n_batch"] = max(settings.batch_tokens, LOGICAL_BATCH_TOKENS)
    if settings.task != "generate":
        asked = settings.batch_tokens or EMBEDDING_BATCH_TOKENS
        batch_tokens = min(settings.context_tokens, asked)
        flags |= {"embedding": True, "n_batch": batch_tokens, "n_ubatch": batch_tokens}
        if settings.task == "rerank":
            flags["pooling_type"] = _RANK_POOLING
        elif not model_declares_pooling:  # else the engine refuses: a vector per token is no answer
            flags["pooling_type"] = _MEAN_POOLING
    return flags


def _load(settings: WorkerSettings, flags: dict[str, object]) -> None:
    """Start the engine, its words kept, and raise what they mean when it refuses."""
    (settings.directory / SLOTS_FOLDER).mkdir(mode=0o700, exist_ok=True)
    log = settings.directory / LOG_NAME
    refused = False
    with stderr_in(log):
        try:
            _start(flags)
        except RuntimeError:  # its one error for every cause
            refused = True
    if refused:
        words = log.read_text(encoding="utf-8", errors="replace")
        raise failure_in(words, model=settings.model, host=settings.host, port=settings.port)


_running: list[object] = []
"""Keeps the server alive: without a reference the extension would tear it down."""


THREADS_SLEEP = ("OMP_WAIT_POLICY", "passive")
"""Read by the OpenMP runtime when it is loaded. llama.cpp's threads meet a hundred
times a token; if they wait by spinning and another program takes one of the
cores, a token takes ten times as long (docs/decisions/0003)."""


def _start(flags: dict[str, object]) -> None:
    """The seam to the extension, which has no types: everything of it stays in here.

    Raises:
        EngineUnusable: there is no wheel for this machine, or it does not load.
        RuntimeError: the engine refused; why stands on file descriptor 2.
    """
    os.environ.setdefault(*THREADS_SLEEP)
    try:
        xllamacpp: Any = importlib.import_module("xllamacpp")
    except (ImportError, OSError) as error:
        raise EngineUnusable(f"The engine xllamacpp does not load here: {error}.") from None
    parameters: Any = xllamacpp.CommonParams()
    cpu = xllamacpp.ggml_backend_dev_type.GGML_BACKEND_DEVICE_TYPE_CPU
    if all(device["type"] == cpu for device in xllamacpp.get_device_info()):
        # Fitting layers to a GPU reads the model twice: 0.3 s of a 0.6 s load.
        parameters.fit_params = False
    for name, value in flags.items():
        *parents, last = name.split(".")
        owner: Any = parameters
        for parent in parents:
            owner = getattr(owner, parent)
        setattr(owner, last, value)
    _running.append(xllamacpp.Server(parameters))
