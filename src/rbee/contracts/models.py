"""A model: one file (or folder) that an engine can serve."""

from typing import Literal

import msgspec

from rbee.contracts.workers import Task

ModelStatus = Literal["available", "downloading", "corrupt"]


class ModelFacts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a model's header says that decides how much memory it needs (``rbee.fit``).

    Named as GGUF names its keys; null where the header does not say. Lengths and
    widths count elements. ``layer_bytes`` are the weights of each layer in order,
    ``output_bytes`` those behind the last one; both are part of
    ``weights_bytes``, which is null when only a part of the model was seen.
    """

    architecture: str
    weights_bytes: int | None = None
    layer_bytes: tuple[int, ...] = ()
    output_bytes: int = 0
    context_length: int | None = None
    block_count: int | None = None
    embedding_length: int | None = None
    feed_forward_length: int | None = None
    vocab_size: int | None = None
    head_count: int | None = None
    head_count_kv: int | None = None
    head_count_kv_layers: tuple[int, ...] | None = None
    key_length: int | None = None
    value_length: int | None = None
    key_length_mla: int | None = None
    value_length_mla: int | None = None
    key_length_swa: int | None = None
    value_length_swa: int | None = None
    sliding_window: int | None = None
    sliding_window_period: int | None = None
    sliding_window_layers: tuple[int, ...] | None = None
    shared_kv_layers: int | None = None
    nextn_predict_layers: int | None = None
    full_attention_interval: int | None = None
    expert_count: int | None = None
    expert_used_count: int | None = None
    expert_feed_forward_length: int | None = None
    ssm_conv_kernel: int | None = None
    ssm_inner_size: int | None = None
    ssm_state_size: int | None = None
    ssm_group_count: int | None = None
    wkv_head_size: int | None = None
    token_shift_count: int | None = None
    shortconv_l_cache: int | None = None


class Model(msgspec.Struct, kw_only=True, omit_defaults=False):
    """A row of a hive's catalogue, on the wire and in ``metadata.json``'s answers.

    ``id`` is what a request's ``model`` names: ``starter``, ``org/repo:file.gguf``
    or the stem of a local file. ``aliases`` are the other names that lead here,
    among them the one it was first asked for by. ``architecture``,
    ``context_length`` (tokens), ``quantization`` and ``chat_template`` come from
    the file's own header; null where the header does not say. ``tools`` and
    ``system_role`` are what its chat template knows, null where that is not sure.
    ``embedding`` and ``rerank`` say that it makes vectors, or scores for pairs of
    texts, and writes nothing.
    ``facts`` are what its memory depends on, without the sizes of single layers.
    A ``pinned`` model is never removed for room; ``last_used_at`` (Unix seconds)
    is when a worker of it last started or ended, null if none ever did. ``load_s``
    is the median of its last loads here, from a process's start to its first token,
    on the device where it was loaded last. ``memory_bytes`` is the most that its
    last worker here was seen to hold on its device. Both are measured, null before.
    """

    id: str
    name: str
    size_bytes: int | None = None
    status: ModelStatus = "available"
    quantization: str | None = None
    context_length: int | None = None
    loaded: bool = False
    aliases: list[str] = msgspec.field(default_factory=list[str])
    architecture: str | None = None
    chat_template: bool | None = None
    embedding: bool | None = None
    rerank: bool | None = None
    sha256: str | None = None
    source: str | None = None
    reason: str | None = None
    facts: ModelFacts | None = None
    tools: bool | None = None
    system_role: bool | None = None
    pinned: bool = False
    last_used_at: float | None = None
    load_s: float | None = None
    memory_bytes: int | None = None


def usual_task(model: Model) -> Task:
    """What a worker of this model is started for when nobody says."""
    if model.rerank:
        return "rerank"
    return "embeddings" if model.embedding else "generate"


class OfferedFile(msgspec.Struct, kw_only=True):
    """A model file that a repository of the hub holds; ``path`` is its name there.

    ``fits`` is this hive's verdict with ``reason``; null when it was not asked for.
    """

    path: str
    quantization: str | None = None
    size_bytes: int | None = None
    fits: Literal["yes", "no", "unknown"] | None = None
    reason: str | None = None


class OfferedModel(msgspec.Struct, kw_only=True):
    """A repository of the hub that a search found. Unknown is null.

    The sizes are those of its smallest and its largest model file;
    ``quantizations`` are what the names of its files tell. ``problem`` says why
    its files are not known.
    """

    id: str
    downloads: int | None = None
    likes: int | None = None
    gated: bool | None = None
    size_bytes_min: int | None = None
    size_bytes_max: int | None = None
    quantizations: list[str] = msgspec.field(default_factory=list[str])
    files: list[OfferedFile] = msgspec.field(default_factory=list[OfferedFile])
    problem: str | None = None


class ModelSearch(msgspec.Struct, kw_only=True):
    """The answer to ``GET /v1/models/search``: most downloaded first."""

    query: str
    models: list[OfferedModel]


DownloadPhase = Literal["download", "verify", "install"]

DownloadState = Literal["queued", "running", "paused", "failed"]


class DownloadProgress(msgspec.Struct, kw_only=True):
    """``data`` of a ``model_download_progress`` event; unknown is null.

    ``rate_bytes_s`` is a moving average over the last seconds.
    """

    bytes: int
    total: int | None = None
    rate_bytes_s: float | None = None
    eta_s: float | None = None
    phase: DownloadPhase = "download"


class Download(msgspec.Struct, kw_only=True, gc=False):
    """A model on its way to a hive, in its beats: until it is here, or given up.

    ``model`` is the id that it will have. Unknown is null. ``position`` counts from 1 among
    those that wait for their turn. ``source`` is where it comes from as a catalogue names it,
    ``from_hive`` the hive that it was wished from. ``reason`` is the last thing that was said
    of it; of a paused or failed one why, with ``remedy``. ``since`` is Unix seconds of the
    first asking.
    """

    model: str
    name: str
    state: DownloadState
    phase: DownloadPhase = "download"
    bytes: int = 0
    total: int | None = None
    rate_bytes_s: float | None = None
    eta_s: float | None = None
    position: int | None = None
    source: str | None = None
    from_hive: str | None = None
    reason: str | None = None
    remedy: str | None = None
    since: float = 0.0
