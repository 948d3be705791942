"""Names that people use for models, and the repository that each one means.

One table, pure: the hive reads it to fetch, the queen to know that
``llama-3-8b`` is a model that could be had although no hive has it yet. A row
leads from friendly names (``llama-3-8b``) and from the original repository
(``meta-llama/Meta-Llama-3-8B``, whose files no engine here reads, or which is
gated) to a public repository of GGUF files. Nothing is looked up here: whether
the repository is reachable, and which file of it is taken, is the hive's matter.
"""

import re
from typing import Final, Literal

import msgspec

STARTER: Final = "starter"
"""The id of the model of the quick start; it comes from a package, not a hub."""

QUANTIZATION_DEFAULT: Final = "Q4_K_M"  # half the size of Q8_0 at a loss that few notice
_REPOSITORY_PART_LENGTH_MAX: Final = 96  # the hub's own limit for each half
_FILE_LENGTH_MAX: Final = 255  # a file's name on every file system

_PART = rf"(?!\.)[A-Za-z0-9._-]{{1,{_REPOSITORY_PART_LENGTH_MAX}}}(?<!\.)"
_REPOSITORY: Final = re.compile(
    rf"(?P<repo>{_PART}/{_PART})"
    rf"(?::(?P<what>[A-Za-z0-9][A-Za-z0-9._ /+-]{{0,{_FILE_LENGTH_MAX - 1}}}))?"
)
_QUANTIZATION: Final = re.compile(
    r"(?:I?Q[1-8](?:_[A-Z0-9]{1,3}){0,3}|TQ[12]_0|BF16|FP?16|FP?32|MXFP4)", re.IGNORECASE
)


class ModelSource(msgspec.Struct, frozen=True, kw_only=True):
    """Where a model comes from.

    ``package`` is the starter's package; ``hub`` a repository, of which ``file``
    is one exact file, or ``quantization`` the preferred quality (null: the
    default order).
    """

    kind: Literal["hub", "package"]
    repo: str = ""
    file: str | None = None
    quantization: str | None = None


class Alias(msgspec.Struct, frozen=True):
    """A row: every one of ``names`` and ``originals`` means ``repo``."""

    names: tuple[str, ...]
    repo: str
    originals: tuple[str, ...] = ()
    quantization: str = QUANTIZATION_DEFAULT


ALIASES: Final[tuple[Alias, ...]] = (
    Alias(
        ("llama-3-8b", "llama3", "llama3:8b"),
        "bartowski/Meta-Llama-3-8B-Instruct-GGUF",
        ("meta-llama/Meta-Llama-3-8B", "meta-llama/Meta-Llama-3-8B-Instruct"),
    ),
    Alias(
        ("llama-3.1-8b", "llama3.1", "llama3.1:8b"),
        "bartowski/Meta-Llama-3.1-8B-Instruct-GGUF",
        (
            "meta-llama/Llama-3.1-8B",
            "meta-llama/Llama-3.1-8B-Instruct",
            "meta-llama/Meta-Llama-3.1-8B",
            "meta-llama/Meta-Llama-3.1-8B-Instruct",
        ),
    ),
    Alias(
        ("llama-3.2-1b", "llama3.2:1b"),
        "bartowski/Llama-3.2-1B-Instruct-GGUF",
        ("meta-llama/Llama-3.2-1B", "meta-llama/Llama-3.2-1B-Instruct"),
    ),
    Alias(
        ("llama-3.2-3b", "llama3.2", "llama3.2:3b"),
        "bartowski/Llama-3.2-3B-Instruct-GGUF",
        ("meta-llama/Llama-3.2-3B", "meta-llama/Llama-3.2-3B-Instruct"),
    ),
    Alias(
        ("llama-3.3-70b", "llama3.3", "llama3.3:70b"),
        "bartowski/Llama-3.3-70B-Instruct-GGUF",
        ("meta-llama/Llama-3.3-70B-Instruct",),
    ),
    Alias(
        ("qwen2.5-0.5b", "qwen2.5:0.5b"),
        "Qwen/Qwen2.5-0.5B-Instruct-GGUF",
        ("Qwen/Qwen2.5-0.5B-Instruct",),
    ),
    Alias(
        ("qwen2.5-1.5b", "qwen2.5:1.5b"),
        "Qwen/Qwen2.5-1.5B-Instruct-GGUF",
        ("Qwen/Qwen2.5-1.5B-Instruct",),
    ),
    Alias(
        ("qwen2.5-7b", "qwen2.5", "qwen2.5:7b"),
        "bartowski/Qwen2.5-7B-Instruct-GGUF",
        ("Qwen/Qwen2.5-7B-Instruct",),
    ),
    Alias(
        ("qwen2.5-coder-7b", "qwen2.5-coder", "qwen2.5-coder:7b"),
        "bartowski/Qwen2.5-Coder-7B-Instruct-GGUF",
        ("Qwen/Qwen2.5-Coder-7B-Instruct",),
    ),
    Alias(("qwen3-4b", "qwen3:4b"), "Qwen/Qwen3-4B-GGUF", ("Qwen/Qwen3-4B",)),
    Alias(("qwen3-8b", "qwen3", "qwen3:8b"), "Qwen/Qwen3-8B-GGUF", ("Qwen/Qwen3-8B",)),
    Alias(("qwen3-14b", "qwen3:14b"), "Qwen/Qwen3-14B-GGUF", ("Qwen/Qwen3-14B",)),
    Alias(
        ("mistral-7b", "mistral", "mistral:7b"),
        "bartowski/Mistral-7B-Instruct-v0.3-GGUF",
        ("mistralai/Mistral-7B-v0.3", "mistralai/Mistral-7B-Instruct-v0.3"),
    ),
    Alias(
        ("gemma-2-2b", "gemma2:2b"),
        "bartowski/gemma-2-2b-it-GGUF",
        ("google/gemma-2-2b", "google/gemma-2-2b-it"),
    ),
    Alias(
        ("gemma-2-9b", "gemma2", "gemma2:9b"),
        "bartowski/gemma-2-9b-it-GGUF",
        ("google/gemma-2-9b", "google/gemma-2-9b-it"),
    ),
    Alias(("gemma-3-1b", "gemma3:1b"), "ggml-org/gemma-3-1b-it-GGUF", ("google/gemma-3-1b-it",)),
    Alias(
        ("gemma-3-4b", "gemma3", "gemma3:4b"),
        "ggml-org/gemma-3-4b-it-GGUF",
        ("google/gemma-3-4b-it",),
    ),
    Alias(
        ("phi-3-mini", "phi3", "phi3:mini"),
        "microsoft/Phi-3-mini-4k-instruct-gguf",
        ("microsoft/Phi-3-mini-4k-instruct",),
    ),
    Alias(
        ("phi-3.5-mini", "phi3.5"),
        "bartowski/Phi-3.5-mini-instruct-GGUF",
        ("microsoft/Phi-3.5-mini-instruct",),
    ),
    Alias(("phi-4", "phi4"), "bartowski/phi-4-GGUF", ("microsoft/phi-4",)),
    Alias(
        ("smollm2-360m", "smollm2:360m"),
        "bartowski/SmolLM2-360M-Instruct-GGUF",
        ("HuggingFaceTB/SmolLM2-360M-Instruct",),
    ),
    Alias(
        ("smollm2-1.7b", "smollm2", "smollm2:1.7b"),
        "bartowski/SmolLM2-1.7B-Instruct-GGUF",
        ("HuggingFaceTB/SmolLM2-1.7B-Instruct",),
    ),
    Alias(
        ("tinyllama", "tinyllama-1.1b", "tinyllama:1.1b"),
        "TheBloke/TinyLlama-1.1B-Chat-v1.0-GGUF",
        ("TinyLlama/TinyLlama-1.1B-Chat-v1.0",),
    ),
    Alias(
        ("deepseek-r1-8b", "deepseek-r1:8b"),
        "bartowski/DeepSeek-R1-Distill-Llama-8B-GGUF",
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-8B",),
    ),
    Alias(
        ("gpt-oss-20b", "gpt-oss", "gpt-oss:20b"),
        "ggml-org/gpt-oss-20b-GGUF",
        ("openai/gpt-oss-20b",),
        "MXFP4",
    ),
    Alias(
        ("nomic-embed-text", "nomic-embed-text-v1.5"),
        "nomic-ai/nomic-embed-text-v1.5-GGUF",
        ("nomic-ai/nomic-embed-text-v1.5",),
    ),
)
"""Every row was chosen because the repository is public, ungated and one-file."""

STARTER_NAMES: Final[tuple[str, ...]] = (
    STARTER,
    "smollm2-135m",
    "smollm2:135m",
    "SmolLM2-135M-Instruct",
    "HuggingFaceTB/SmolLM2-135M-Instruct",
)

_STARTER_KEYS: Final = frozenset(name.casefold() for name in STARTER_NAMES)
_BY_NAME: Final = {name.casefold(): row for row in ALIASES for name in row.names}
_BY_ORIGINAL: Final = {name.casefold(): row for row in ALIASES for name in row.originals}


def resolve_alias(name: str) -> ModelSource | None:
    """The source that a friendly name or an original repository stands for.

    Case and surrounding blanks do not matter. None when the table does not know
    the name: it may still be a repository (``parse_repository``).
    """
    key = name.strip().casefold()
    if key in _STARTER_KEYS:
        return ModelSource(kind="package")
    row = _BY_NAME.get(key) or _BY_ORIGINAL.get(key)
    if row is None:
        return None
    return ModelSource(kind="hub", repo=row.repo, quantization=row.quantization)


def looks_like_repository(name: str) -> bool:
    """Whether ``name`` has the shape ``org/repo[:file.gguf|:QUANT]`` (not whether it exists)."""
    return parse_repository(name) is not None


def parse_repository(name: str) -> ModelSource | None:
    """Read ``org/repo``, ``org/repo:file.gguf`` or ``org/repo:Q5_K_M``.

    None for anything else: a path (``./x``, ``/x``, ``a/b/c``), a bare word, a
    file part that climbs (``..``).
    """
    found = _REPOSITORY.fullmatch(name.strip())
    if found is None or ".." in name or found["repo"].lower().endswith(".gguf"):
        return None
    repo, what = found["repo"], found["what"]
    if what is None:
        return ModelSource(kind="hub", repo=repo)
    if what.lower().endswith(".gguf"):
        return ModelSource(kind="hub", repo=repo, file=what)
    if _QUANTIZATION.fullmatch(what):
        return ModelSource(kind="hub", repo=repo, quantization=what.upper())
    return None


def names_for(repo: str) -> tuple[str, ...]:
    """The friendly names that lead to ``repo``."""
    wanted = repo.casefold()
    return tuple(name for row in ALIASES if row.repo.casefold() == wanted for name in row.names)


def known_names() -> tuple[str, ...]:
    """The first friendly name of every row, the starter first: for help texts."""
    return (STARTER, *(row.names[0] for row in ALIASES))
