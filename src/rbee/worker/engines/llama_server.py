"""llama.cpp's own server as a program: ``llama-server``, built or downloaded by the operator.

The same server as in ``xllamacpp``, with the graphics code that this machine's
build has. Flags say what ``xllamacpp.launch_flags`` says; a build that does not
know one of them names it in its last line, which the hive passes on.
Flags: llama.cpp's tools/server/README.md.
"""

import os
from typing import Final

from rbee.contracts.jobs import ALL_LAYERS
from rbee.worker.becoming import become
from rbee.worker.engines.xllamacpp import (
    EMBEDDING_BATCH_TOKENS,
    LOGICAL_BATCH_TOKENS,
    PROMPT_CACHE_MIB,
    SLOTS_FOLDER,
)
from rbee.worker.preflight import check_model, check_port, declares_pooling
from rbee.worker.settings import WorkerSettings, read_key

EVERY_LAYER: Final = 999
"""More layers than any model has: the number for "all" that every build understands."""


def serve(settings: WorkerSettings) -> None:
    """Check what can be checked, then become the server.

    Raises:
        InvalidRequest: the key file or the address is wrong.
        PortTaken: somebody else listens on the port.
        CorruptModel: the file is missing or no GGUF.
        EngineUnusable: the program cannot be started.
    """
    read_key(settings.key_file)
    check_port(settings.host, settings.port)
    check_model(settings.model)
    (settings.directory / SLOTS_FOLDER).mkdir(mode=0o700, exist_ok=True)
    pooled = declares_pooling(settings.model)
    become(launch_argv(settings, model_declares_pooling=pooled), os.environ)


def launch_argv(settings: WorkerSettings, *, model_declares_pooling: bool) -> list[str]:
    """The command line. The key stays in its file."""
    argv = [
        str(settings.binary),
        "--model", str(settings.model),
        "--alias", settings.alias,
        "--host", settings.host,
        "--port", str(settings.port),
        "--api-key-file", str(settings.key_file),
        "--ctx-size", str(settings.context_tokens),
        "--parallel", str(settings.slots),
        "--kv-unified",
        "--n-predict", str(settings.context_tokens),
        "--cache-ram", str(PROMPT_CACHE_MIB),
        "--slot-save-path", f"{settings.directory / SLOTS_FOLDER}/",
        "--metrics",
        "--slots",
        "--offline",
    ]  # fmt: skip
    if settings.threads is not None:
        argv += ["--threads", str(settings.threads)]
    if settings.gpu_layers is not None:
        layers = EVERY_LAYER if settings.gpu_layers == ALL_LAYERS else settings.gpu_layers
        argv += ["--n-gpu-layers", str(layers)]
    if settings.split_mode is not None:
        argv += ["--split-mode", settings.split_mode]
    if settings.tensor_split is not None:
        argv += ["--tensor-split", ",".join(f"{share:g}" for share in settings.tensor_split)]
    if settings.main_gpu is not None:
        argv += ["--main-gpu", str(settings.main_gpu)]
    return argv + _batch_flags(settings, model_declares_pooling=model_declares_pooling)


def _batch_flags(settings: WorkerSettings, *, model_declares_pooling: bool) -> list[str]:
    if settings.task != "generate":
        asked = settings.batch_tokens or EMBEDDING_BATCH_TOKENS
        batch = str(min(settings.context_tokens, asked))
        flags = ["--embeddings", "--batch-size", batch, "--ubatch-size", batch]
        if settings.task == "rerank":
            return ["--reranking", *flags[1:]]
        return flags if model_declares_pooling else [*flags, "--pooling", "mean"]
    if settings.batch_tokens is None:
        return []
    logical = max(settings.batch_tokens, LOGICAL_BATCH_TOKENS)
    return ["--batch-size", str(logical), "--ubatch-size", str(settings.batch_tokens)]
