"""The job server's language: operations in, events out (**S**).

``POST /v1/jobs`` takes one flat JSON object tagged by ``operation``. Fields are
tolerant: unknown ones are ignored, and all but the one that names the thing are
optional.
"""

from typing import Any, Literal, TypeAlias, cast

import msgspec

from rbee.contracts.decode import decode_json
from rbee.contracts.workers import Task
from rbee.errors import InvalidRequest

JobState = Literal["queued", "running", "completed", "failed", "cancelled"]
ENDED: frozenset[JobState] = frozenset({"completed", "failed", "cancelled"})

EventType = Literal["narration", "token", "progress", "data", "error"]

DeviceChoice: TypeAlias = int | str | list[int]
"""``0``, ``"GPU-0"``, ``"cpu"`` or a list of indices to split over."""

SplitMode: TypeAlias = Literal["none", "layer", "row"]
"""How a model lies on several GPUs: on one, by layers, or by rows of its matrices."""

ALL_LAYERS = -1
"""``gpu_layers`` for "all of them"."""

MAX_TOKENS_DEFAULT = 100  # wire.md: a paragraph, so that a trial ends soon
TEMPERATURE_DEFAULT = 0.7  # wire.md: varied, and still to the point


class _Operation(msgspec.Struct, kw_only=True, tag_field="operation", tag=True):
    """What all operations share. ``hive_id`` null means "the one asked".

    ``epoch`` is the commanding queen's: a hive that has heard of a later queen refuses
    it (``stale_epoch``). Null, from people and programs: not fenced.
    """

    hive_id: str | None = None
    epoch: int | None = None


class Status(_Operation, tag="status"):
    """The colony at a glance (queen)."""


class Infer(_Operation, tag="infer"):
    """Generate text (queen). ``raw`` sends the prompt without the chat template."""

    model: str
    prompt: str
    max_tokens: int = MAX_TOKENS_DEFAULT
    temperature: float = TEMPERATURE_DEFAULT
    top_p: float | None = None
    top_k: int | None = None
    stream: bool = True
    raw: bool = False
    device: DeviceChoice | None = None
    worker_id: str | None = None
    priority: int | str | None = None
    deadline_s: float | None = None


class WorkerSpawn(_Operation, tag="worker_spawn"):
    """Start a worker (hive).

    ``worker`` is ``auto``, a kind of device (``cpu`` ``cuda`` ``rocm`` ``metal``
    ``vulkan``) or an engine's name. ``context_length`` is in tokens, per slot
    group; ``slots`` is how many requests run at once. ``command_id`` makes a
    repeated command harmless. ``manual`` is false when the queen spawns.

    ``gpu_layers``: how many of the model's layers the GPU holds; -1 is all, 0 none,
    null lets the engine fit them. With several devices, ``split_mode`` says what
    is split, ``tensor_split`` in which proportion (one number for each device,
    in the order of ``device``), and ``main_gpu`` which of them, counted from 0,
    holds what is not split.
    """

    model: str
    worker: str = "auto"
    device: DeviceChoice | None = None
    context_length: int | None = None
    slots: int | None = None
    task: Task | None = None
    command_id: str | None = None
    manual: bool = True
    gpu_layers: int | None = None
    split_mode: SplitMode | None = None
    tensor_split: list[float] | None = None
    main_gpu: int | None = None


class WorkerProcessList(_Operation, tag="worker_process_list"):
    """List the workers (hive)."""


class WorkerProcessGet(_Operation, tag="worker_process_get"):
    """One worker, by pid or worker_id (hive)."""

    pid: int | None = None
    worker_id: str | None = None


class WorkerProcessDelete(_Operation, tag="worker_process_delete"):
    """Drain and stop a worker, by pid or worker_id (hive). ``force`` skips the drain."""

    pid: int | None = None
    worker_id: str | None = None
    force: bool = False


class WorkerRestart(_Operation, tag="worker_restart"):
    """End a worker's process and start it again, with the same id, by pid or worker_id (hive).

    A worker that failed gets its restarts anew. ``force`` skips the drain.
    """

    pid: int | None = None
    worker_id: str | None = None
    force: bool = False


class ModelDownload(_Operation, tag="model_download"):
    """Fetch a model (hive): ``org/repo``, ``org/repo:file.gguf``, an alias or a path.

    With ``from_hive`` it is taken from that hive of the colony, or from another one that
    has the same file, and never from outside.
    """

    model: str
    from_hive: str | None = None


class ModelPause(_Operation, tag="model_pause"):
    """Stop a download and keep what has come; who waits for it is told (hive)."""

    model: str


class ModelResume(_Operation, tag="model_resume"):
    """Go on with a download that was paused, failed or was cut by the hive's end (hive)."""

    model: str


class ModelCancel(_Operation, tag="model_cancel"):
    """Give a download up and delete what has come of it (hive)."""

    model: str


class ModelList(_Operation, tag="model_list"):
    """List the catalogue (hive)."""


class ModelGet(_Operation, tag="model_get"):
    """One model, by id or any of its names (hive)."""

    id: str | None = None
    model: str | None = None


class ModelDelete(_Operation, tag="model_delete"):
    """Delete a model's files (hive)."""

    id: str | None = None
    model: str | None = None


class ModelPin(_Operation, tag="model_pin"):
    """Keep a model whatever the quota says, or no more (hive)."""

    id: str | None = None
    model: str | None = None
    pinned: bool = True


class ModelCopy(_Operation, tag="model_copy"):
    """Have a model of one hive on another one too (queen).

    ``from_hive`` null means whichever hive has it and is nearest.
    """

    model: str
    to_hive: str
    from_hive: str | None = None


class HiveInstall(_Operation, tag="hive_install"):
    """Put a hive on another machine over SSH, or bring it to the queen's version (queen).

    ``host`` is ``[user@]name[:port]``. A machine that is met for the first time is trusted
    only under the ``fingerprint`` that the operator compared. ``name`` is the new hive's id,
    ``settings`` are its settings by name (``labels``: ``gpu``), ``queen_url`` is her address as
    that machine reaches it, where she does not find it out herself. ``dry_run`` looks, tells
    every command, and changes nothing.
    """

    host: str
    fingerprint: str | None = None
    name: str | None = None
    settings: dict[str, str] | None = None
    queen_url: str | None = None
    unit: Literal["auto", "system", "user", "process"] = "auto"
    upgrade: bool = False
    dry_run: bool = False


HiveOperation: TypeAlias = (
    WorkerSpawn
    | WorkerProcessList
    | WorkerProcessGet
    | WorkerProcessDelete
    | WorkerRestart
    | ModelDownload
    | ModelPause
    | ModelResume
    | ModelCancel
    | ModelList
    | ModelGet
    | ModelDelete
    | ModelPin
)
QueenOperation: TypeAlias = Status | Infer | ModelCopy | HiveInstall
Operation: TypeAlias = QueenOperation | HiveOperation

OPERATION_NAMES: tuple[str, ...] = (
    "status",
    "infer",
    "worker_spawn",
    "worker_process_list",
    "worker_process_get",
    "worker_process_delete",
    "worker_restart",
    "model_download",
    "model_pause",
    "model_resume",
    "model_cancel",
    "model_list",
    "model_get",
    "model_delete",
    "model_pin",
    "model_copy",
    "hive_install",
)

_MODEL_NAME_LENGTH_MAX = 512  # a hub id is at most 96+96, a path 4,096 is refused elsewhere
_PROMPT_FIELDS = ("model", "prompt", "to_hive", "from_hive", "host")


class _Tag(msgspec.Struct):
    operation: str


def decode_operation(body: bytes) -> Operation:
    """Read the body of ``POST /v1/jobs``.

    Raises:
        InvalidRequest: not JSON, an unknown operation, or a field that is
            missing, empty, out of range or of the wrong type (path named).
    """
    tag = decode_json(body, _Tag).operation
    if tag not in OPERATION_NAMES:
        known = ", ".join(OPERATION_NAMES)
        raise InvalidRequest(
            f"Unknown operation {tag!r} at `$.operation`.",
            remedy=f"The operations are: {known}.",
            param="$.operation",
        )
    operation: Operation = decode_json(body, cast("type[Any]", Operation))
    _check_fields(operation)
    return operation


def _check_fields(operation: Operation) -> None:
    """Refuse what the types cannot: empty names, numbers out of range, no id at all."""
    for field in _PROMPT_FIELDS:
        value = getattr(operation, field, "unset")
        if isinstance(value, str) and not value.strip():
            raise InvalidRequest(f"`{field}` is empty at `$.{field}`.", param=f"$.{field}")
    model = getattr(operation, "model", None)
    if isinstance(model, str) and len(model) > _MODEL_NAME_LENGTH_MAX:
        raise InvalidRequest(
            f"`model` is longer than {_MODEL_NAME_LENGTH_MAX} characters at `$.model`.",
            param="$.model",
        )
    match operation:
        case Infer():
            _in_range("max_tokens", operation.max_tokens, 1, 1_000_000)
            _in_range("temperature", operation.temperature, 0, 10)
            _in_range("top_p", operation.top_p, 0, 1)
            _in_range("top_k", operation.top_k, 0, 1_000_000)
            _in_range("deadline_s", operation.deadline_s, 0.001, 86_400)
        case WorkerSpawn():
            _check_spawn(operation)
        case WorkerProcessGet() | WorkerProcessDelete() | WorkerRestart():
            if operation.pid is None and not operation.worker_id:
                raise InvalidRequest(
                    "Name the worker by `worker_id` or `pid` at `$.worker_id`.",
                    param="$.worker_id",
                )
        case ModelGet() | ModelDelete() | ModelPin():
            if not operation.id and not operation.model:
                raise InvalidRequest(
                    "Name the model by `id` or `model` at `$.model`.", param="$.model"
                )
        case _:
            pass


def _check_spawn(asked: WorkerSpawn) -> None:
    _in_range("context_length", asked.context_length, 64, 16_777_216)
    _in_range("slots", asked.slots, 1, 256)
    _in_range("gpu_layers", asked.gpu_layers, ALL_LAYERS, 100_000)
    _in_range("main_gpu", asked.main_gpu, 0, 63)
    for share in asked.tensor_split or ():
        _in_range("tensor_split", share, 0, 1_000_000)


def _in_range(field: str, value: float | None, low: float, high: float) -> None:
    if value is not None and not low <= value <= high:
        raise InvalidRequest(
            f"`{field}` is {value}, outside {low} to {high}, at `$.{field}`.", param=f"$.{field}"
        )


class JobAccepted(msgspec.Struct, kw_only=True):
    """The answer to ``POST /v1/jobs`` (**S**). ``created_at`` is Unix seconds."""

    job_id: str
    sse_url: str
    status: JobState
    created_at: float


class JobCancelled(msgspec.Struct, kw_only=True):
    """The answer to ``DELETE /v1/jobs/{id}`` (**S**)."""

    job_id: str
    status: Literal["cancelled"] = "cancelled"


class JobRecord(msgspec.Struct, kw_only=True):
    """A job's state: ``GET /v1/jobs/{id}`` and the rows of ``GET /v1/jobs``."""

    job_id: str
    operation: str
    status: JobState
    created_at: float
    started_at: float | None = None
    ended_at: float | None = None
    events: int = 0
    error: str | None = None


class JobList(msgspec.Struct, kw_only=True):
    """``GET /v1/jobs``, newest first."""

    jobs: list[JobRecord]


class JobEvent(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One SSE message of a job (**S**). ``ts`` is Unix seconds.

    A ``token`` event's ``message`` is the text itself.
    """

    action: str
    message: str
    type: EventType
    job_id: str
    seq: int
    ts: float
    actor: str
    data: Any = None


DONE = "[DONE]"
"""The bare last message of every job's stream."""
