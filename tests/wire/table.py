"""Every line of the published interface, with the step of the plan that delivers it.

``docs/wire.md`` is the same in prose. A row whose step is at most ``DELIVERED`` is
tested against the real code; a route whose step is later must answer 501
``not_yet``. ``fixed`` rows were given and may not change shape; the rest are ours.

Steps: 2 the colony runs, 3 devices and engines, 4 the router, 5 many machines,
6 the console, 7 after that.
"""

from typing import NamedTuple

import msgspec

from rbee.contracts import (
    daemon,
    hives,
    jobs,
    keys,
    models,
    openai,
    plan,
    settings,
    why,
    worker_details,
    workers,
)
from rbee.errors import (
    ClientGone,
    DeadlineExceeded,
    Forbidden,
    InvalidApiKey,
    InvalidRequest,
    ModelNotFound,
    NoCapacity,
    NotYet,
    QueueFull,
    QuotaExceeded,
    RateLimited,
    RbeeError,
    RequestCancelled,
    TooLarge,
    WorkerFailed,
)
from wire.route_rows import DELIVERED, OPENAI_PREFIXES, ROUTES, Route, Server

__all__ = ["DELIVERED", "OPENAI_PREFIXES", "ROUTES", "Route", "Server"]


class Operation(NamedTuple):
    """One operation of ``POST /v1/jobs``: its type, and its fields with their defaults."""

    server: Server
    name: str
    type: type[msgspec.Struct]
    required: tuple[str, ...]
    optional: dict[str, object]
    step: int = 2


OPERATIONS: list[Operation] = [
    Operation("queen", "status", jobs.Status, (), {}),
    Operation(
        "queen",
        "infer",
        jobs.Infer,
        ("model", "prompt"),
        {
            "max_tokens": 100,
            "temperature": 0.7,
            "top_p": None,
            "top_k": None,
            "stream": True,
            "raw": False,
            "hive_id": None,
            "device": None,
            "worker_id": None,
            "priority": None,
            "deadline_s": None,
        },
    ),
    Operation(
        "hive",
        "worker_spawn",
        jobs.WorkerSpawn,
        ("model",),
        {"hive_id": None, "worker": "auto", "device": None},
    ),
    Operation("hive", "worker_process_list", jobs.WorkerProcessList, (), {"hive_id": None}),
    Operation(
        "hive", "worker_process_get", jobs.WorkerProcessGet, (), {"pid": None, "worker_id": None}
    ),
    Operation(
        "hive",
        "worker_process_delete",
        jobs.WorkerProcessDelete,
        (),
        {"pid": None, "worker_id": None},
    ),
    Operation(
        "hive",
        "worker_restart",
        jobs.WorkerRestart,
        (),
        {"pid": None, "worker_id": None, "force": False, "hive_id": None},
        5,
    ),
    Operation(
        "hive",
        "model_download",
        jobs.ModelDownload,
        ("model",),
        {"hive_id": None, "from_hive": None},
    ),
    *[
        Operation("hive", name, type_, ("model",), {"hive_id": None}, 5)
        for name, type_ in (
            ("model_pause", jobs.ModelPause),
            ("model_resume", jobs.ModelResume),
            ("model_cancel", jobs.ModelCancel),
        )
    ],
    Operation("hive", "model_list", jobs.ModelList, (), {"hive_id": None}),
    Operation("hive", "model_get", jobs.ModelGet, (), {"id": None, "model": None}),
    Operation("hive", "model_delete", jobs.ModelDelete, (), {"id": None, "model": None}),
    Operation(
        "hive", "model_pin", jobs.ModelPin, (), {"id": None, "model": None, "pinned": True}, 3
    ),
    Operation("queen", "model_copy", jobs.ModelCopy, ("model", "to_hive"), {"from_hive": None}, 5),
    Operation(
        "queen",
        "hive_install",
        jobs.HiveInstall,
        ("host",),
        {
            "fingerprint": None,
            "name": None,
            "settings": None,
            "queen_url": None,
            "unit": "auto",
            "upgrade": False,
            "dry_run": False,
        },
        5,
    ),
]


class Shape(NamedTuple):
    """A type's field names: those of the published interface, and those that we added."""

    type: type[msgspec.Struct]
    published: str
    ours: str = ""


SHAPES: list[Shape] = [
    Shape(jobs.JobAccepted, "job_id sse_url status created_at"),
    Shape(jobs.JobCancelled, "job_id status"),
    Shape(jobs.JobEvent, "action message type job_id seq ts actor data"),
    Shape(
        hives.Heartbeat,
        "hive_id hive_info capabilities node workers models timestamp",
        "worker_keys downloads",
    ),
    Shape(
        hives.HiveInfo,
        "id hostname address port version operational_status health_status",
        "labels outbound_only tls",
    ),
    Shape(hives.NodeStats, "cpu_pct ram_used_mb ram_total_mb disk_free_mb gpus"),
    Shape(hives.GpuStats, "id util_pct vram_used_mb vram_total_mb temp_c power_w"),
    Shape(
        workers.WorkerStats,
        "worker_id pid model engine device port address status slots_total slots_busy queued"
        " cpu_pct rss_mb io_r_mb_s io_w_mb_s uptime_s gpu_util_pct vram_mb total_vram_mb"
        " tokens_per_s requests_total",
        "generation restarts context_length unary_cancel manual load_s idle_s reason task isolation"
        " tls_port",
    ),
    Shape(
        worker_details.WorkerDetails,
        "worker_id pid model engine device port address status slots_total slots_busy queued"
        " cpu_pct rss_mb io_r_mb_s io_w_mb_s uptime_s gpu_util_pct vram_mb total_vram_mb"
        " tokens_per_s requests_total",
        "generation restarts context_length unary_cancel manual load_s idle_s reason task isolation"
        " asked fit tls_port",
    ),
    Shape(workers.Protection, "name in_force reason"),
    Shape(
        workers.WorkerProcess,
        "pid worker_id model port device engine status",
        "reason",
    ),
    Shape(
        models.Model,
        "id name size_bytes status quantization context_length loaded",
        "aliases architecture chat_template embedding rerank sha256 source reason facts tools system_role"
        " pinned last_used_at load_s memory_bytes",
    ),
    Shape(
        models.Download,
        "model name state phase bytes total rate_bytes_s eta_s position source from_hive reason"
        " remedy since",
    ),
    Shape(models.ModelSearch, "query models"),
    Shape(
        models.OfferedModel,
        "id downloads likes gated size_bytes_min size_bytes_max quantizations files problem",
    ),
    Shape(models.OfferedFile, "path quantization size_bytes fits reason"),
    Shape(why.Why, "job_id model started_at ended_at outcome steps"),
    Shape(why.WhyStep, "at kind message", "decision"),
    Shape(
        why.WhyDecision,
        "attempt policy worker_id hive_id waited_s reason score_means serving candidates",
    ),
    Shape(
        why.WhyCandidate,
        "worker_id hive_id taken slots_in_use slots_total score",
        "queued gpu_util_pct local note route",
    ),
    Shape(hives.HiveReady, "hive_id hive_url token"),
    Shape(hives.HiveReadyAck, "status message"),
    Shape(hives.HeartbeatAck, "status message", "wanted"),
    Shape(hives.Capabilities, "devices cpu_cores total_ram_gb engines", "device_problems"),
    Shape(hives.EngineList, "engines"),
    Shape(hives.EngineInfo, "name usable version reason", "device_types"),
    Shape(
        hives.Device,
        "id name device_type vram_gb memory_mb compute_capability driver",
        "vendor uuid index unified_memory memory_total_mb memory_used_mb memory_free_mb"
        " memory_usable_mb util_pct temp_c power_w instruction_sets reason",
    ),
    Shape(hives.HiveTelemetry, "hive_id timestamp node workers"),
    Shape(
        hives.QueenTelemetry,
        "workers_online workers_available hives_online hives_available worker_ids hive_ids"
        " timestamp",
    ),
    Shape(
        plan.Plan,
        "model outcome message hive_id device why ready_in_s ready_source download_bytes evict"
        " options workers code remedy",
    ),
    Shape(
        plan.PlanOption,
        "hive_id device able chosen reason download_bytes needed_bytes free_bytes load_s"
        " load_source",
    ),
    Shape(plan.PlanEviction, "worker_id model hive_id size_bytes idle_s load_s in_use"),
    Shape(openai.ModelObject, "id object created owned_by rbee"),
    Shape(openai.ModelPlace, "hives workers state size_bytes", "aliases"),
    Shape(openai.ErrorBody, "message type code param", "remedy"),
    Shape(
        keys.ApiKey,
        "id name hint scopes models created_at created_by expires_at expired configured"
        " requests_per_min tokens_per_min tokens_per_day tokens_today priority",
    ),
    Shape(
        keys.KeyWish,
        "name scopes models expires_in_s requests_per_min tokens_per_min tokens_per_day priority",
    ),
    Shape(keys.KeyList, "keys"),
    Shape(keys.KeyMade, "key about"),
    Shape(keys.KeyRevoked, "id name"),
    Shape(keys.SignIn, "key"),
    Shape(keys.Session, "name scopes models csrf_token expires_at"),
    Shape(keys.SignedOut, "signed_out"),
    Shape(
        settings.Setting,
        "name group about value default source schema live unit variable locked masked waits next",
    ),
    Shape(settings.SettingsState, "room revision file settings restart problem"),
    Shape(settings.SettingsChange, "set unset revision"),
    Shape(settings.SettingsChanged, "applied restart state"),
    Shape(settings.RefusedSetting, "name reason"),
    Shape(daemon.Health, "status"),
    Shape(
        daemon.ServiceInfo,
        "service version base_url port features",
        "pid hive_id queen_url started_at",
    ),
    Shape(daemon.Problem, "error details", "code remedy param data"),
]


class ErrorLine(NamedTuple):
    """An HTTP status with its code, and the class that carries it (null: not due yet)."""

    status: int
    code: str
    type: type[RbeeError] | None
    step: int = 2


ERRORS: list[ErrorLine] = [
    ErrorLine(400, "invalid_request", InvalidRequest),
    ErrorLine(401, "invalid_api_key", InvalidApiKey),
    ErrorLine(403, "forbidden", Forbidden),
    ErrorLine(403, "request_cancelled", RequestCancelled, 5),
    ErrorLine(404, "model_not_found", ModelNotFound),
    ErrorLine(413, "too_large", TooLarge),
    ErrorLine(429, "rate_limited", RateLimited, 4),
    ErrorLine(429, "quota_exceeded", QuotaExceeded, 5),
    ErrorLine(499, "client_gone", ClientGone, 4),
    ErrorLine(501, "not_yet", NotYet),
    ErrorLine(502, "worker_error", WorkerFailed),
    ErrorLine(503, "no_capacity", NoCapacity),
    ErrorLine(503, "queue_full", QueueFull),
    ErrorLine(504, "deadline", DeadlineExceeded),
]


class Word(NamedTuple):
    """A header, an action of a job's event, or a command, and its step."""

    text: str
    step: int = 2


REQUEST_HEADERS = [
    Word("X-Request-Id"),
    Word("X-Hive-Preference", 4),
    Word("X-Priority", 4),
    Word("X-Session-Id", 4),
    Word("X-Labels", 4),
    Word("X-Deadline-S", 4),
    Word("X-CSRF-Token", 5),
]
RESPONSE_HEADERS = [
    Word("X-Request-Id"),
    Word("X-Rbee-Job"),
    Word("X-Rbee-Worker"),
    Word("X-Rbee-Hive"),
    Word("X-Rbee-Queue-Ms"),
    Word("x-ratelimit-limit-requests", 4),
    Word("x-ratelimit-remaining-requests", 4),
    Word("x-ratelimit-reset-requests", 4),
    Word("x-ratelimit-limit-tokens", 4),
    Word("x-ratelimit-remaining-tokens", 4),
    Word("x-ratelimit-reset-tokens", 4),
]
ACTIONS = [
    *map(Word, ["infer_start", "infer_queued", "infer_worker_sel", "infer_worker_spawn", "token"]),
    *map(Word, ["infer_complete", "error", "cancelled"]),
    Word("infer_resumed", 4),
    *map(Word, ["status_start", "status_hives", "status_workers", "status_complete"]),
    *map(Word, ["worker_spawn_start", "worker_spawn_progress", "worker_spawn_health_check"]),
    *map(Word, ["worker_spawn_complete", "worker_proc_list_entry"]),
    *map(Word, ["worker_proc_del_start", "worker_proc_del_sigterm", "worker_proc_del_ok"]),
    *map(Word, ["model_download_start", "model_download_progress", "model_download_complete"]),
    *map(Word, ["model_list_entry", "model_get_details", "model_delete_complete"]),
    Word("model_pin_complete", 3),
    *[Word(f"hive_install_{part}", 5) for part in ("start", "progress", "unknown_host")],
    *[Word(f"hive_install_{part}", 5) for part in ("plan", "complete")],
    *[
        Word(w, 5)
        for w in ("worker_restart_start", "model_pause_complete", "model_cancel_complete")
    ],
    *[Word(word, 5) for word in ("model_copy_start", "model_copy_progress", "model_copy_complete")],
]
COMMANDS = [
    *[Word(f"queen {verb}") for verb in ("run", "start", "stop", "status")],
    *[Word(f"hive {verb}") for verb in ("run", "start", "stop", "status")],
    *[Word(f"hive {verb}", 5) for verb in ("install", "uninstall", "join", "approve")],
    *[Word(f"worker {verb}") for verb in ("spawn", "list", "get", "stop", "restart", "logs")],
    *[Word(f"model {verb}") for verb in ("download", "list", "get", "delete")],
    *[Word(f"model {verb}", 3) for verb in ("search", "pin", "unpin")],
    *[Word(f"model {verb}", 5) for verb in ("pause", "resume", "cancel")],
    Word("model copy", 5),
    *[Word(f"engine {verb}", 3) for verb in ("list", "probe", "install")],
    *[Word(name) for name in ("up", "infer", "chat", "status", "logs", "doctor")],
    Word("why", 4),
    *[Word(name, 4) for name in ("plan", "bench", "drill")],
    *[Word(f"keys {verb}", 5) for verb in ("create", "list", "revoke")],
    *[Word(f"settings {verb}", 5) for verb in ("list", "get", "set", "unset")],
    *[Word(name, 5) for name in ("top", "completion")],
    *[Word(f"requests {verb}", 5) for verb in ("list", "cancel")],
    Word("keeper", 5),
]
