"""One full example of every wire type; ``PYTHONPATH=tests python -m wire.samples`` writes them.

A golden file that changes is a change of the wire: read the difference before
you commit it.
"""

import importlib
import pkgutil
from pathlib import Path

import msgspec

import rbee.contracts
from rbee.contracts import (
    daemon,
    hives,
    jobs,
    models,
    openai,
    plan,
    status,
    why,
    worker_details,
    workers,
)
from rbee.contracts.aliases import Alias, ModelSource
from rbee.contracts.principals import KeySetting, Principal
from wire.samples_care import CARE_SAMPLES
from wire.samples_entry import ENTRY_SAMPLES
from wire.samples_settings import SETTINGS_SAMPLES
from wire.samples_sharing import SHARING_SAMPLES
from wire.samples_state import STATE_SAMPLES

GOLDEN = Path(__file__).parent / "golden"
AT = 1_790_000_000.5

# In contracts, but never sent: tables, settings and what pure functions give.
NOT_ON_THE_WIRE = {Alias, KeySetting, ModelSource, Principal}

GPU = hives.GpuStats(
    id="GPU-0",
    util_pct=41.5,
    vram_used_mb=8192.0,
    vram_total_mb=24576.0,
    temp_c=61.0,
    power_w=210.5,
)
NODE = hives.NodeStats(
    cpu_pct=12.5, ram_used_mb=4096.0, ram_total_mb=16384.0, disk_free_mb=100000.0, gpus=[GPU]
)
WORKER = workers.WorkerStats(
    worker_id="worker-1",
    model="starter",
    engine="xllamacpp",
    status="busy",
    port=9001,
    device="CPU-0",
    pid=4242,
    slots_total=4,
    slots_busy=1,
    queued=0,
    cpu_pct=187.5,
    rss_mb=340.0,
    uptime_s=61.5,
    tokens_per_s=74.25,
    requests_total=17,
    context_length=8192,
    load_s=1.25,
    idle_s=12.5,
)
PROTECTION = workers.Protection(
    name="memory", in_force=True, reason="1,408 MiB, by a cgroup of its own"
)
FACTS = models.ModelFacts(
    architecture="llama",
    weights_bytes=96_573_312,
    output_bytes=17_697_024,
    context_length=8192,
    block_count=30,
    embedding_length=576,
    feed_forward_length=1536,
    vocab_size=49_152,
    head_count=9,
    head_count_kv=3,
)
MODEL = models.Model(
    id="starter",
    name="SmolLM2-135M-Instruct",
    size_bytes=93_000_000,
    quantization="Q4_1",
    context_length=8192,
    loaded=True,
    aliases=["smollm2-135m"],
    architecture="llama",
    chat_template=True,
    embedding=False,
    rerank=False,
    facts=FACTS,
    tools=True,
    system_role=True,
    pinned=True,
    last_used_at=AT,
    load_s=1.5,
    memory_bytes=356_515_840,
)
OFFERED_FILE = models.OfferedFile(
    path="M-Q4_K_M.gguf",
    quantization="Q4_K_M",
    size_bytes=4_900_000_000,
    fits="yes",
    reason="it fits: about 5,400 MiB needed, 7,400 MiB may be used on CPU-0",
)
OFFERED = models.OfferedModel(
    id="org/m-GGUF",
    downloads=120_000,
    likes=321,
    gated=False,
    size_bytes_min=4_900_000_000,
    size_bytes_max=4_900_000_000,
    quantizations=["Q4_K_M"],
    files=[OFFERED_FILE],
)
DEVICE = hives.Device(id="CPU-0", name="A CPU", device_type="cpu", memory_mb=16384)
PROBLEM = hives.DeviceProblem(vendor="nvidia", reason="driver present but NVML failed")
ENGINE = hives.EngineInfo(name="xllamacpp", usable=True, version="1.0", device_types=["cpu"])
CAPABILITIES = hives.Capabilities(
    devices=[DEVICE],
    cpu_cores=2,
    total_ram_gb=16.0,
    engines=[ENGINE],
    device_problems=[PROBLEM],
)
INFO = hives.HiveInfo(
    id="hive-1",
    hostname="bee",
    address="127.0.0.1",
    port=7835,
    version="0.1.0",
    labels=["gpu"],
)
RECORD = jobs.JobRecord(
    job_id="job-1", operation="infer", status="completed", created_at=AT, started_at=AT, events=9
)
PLACE = openai.ModelPlace(
    hives=["hive-1"], workers=["worker-1"], state="ready", size_bytes=93_000_000
)
MODEL_OBJECT = openai.ModelObject(id="starter", created=1_790_000_000, rbee=PLACE)
ERROR = openai.ErrorBody(
    message="No.", type="invalid_request_error", code="invalid_request", param="$.model"
)

WHY_CANDIDATE = why.WhyCandidate(
    worker_id="worker-1",
    hive_id="hive-1",
    taken=True,
    slots_in_use=1,
    slots_total=4,
    score=0.25,
    queued=0,
    gpu_util_pct=41.5,
    local=True,
)
WHY_DECISION = why.WhyDecision(
    attempt=1,
    policy="least-loaded",
    worker_id="worker-1",
    hive_id="hive-1",
    waited_s=0.5,
    reason="the least loaded",
    score_means="share of slots in use; lower is better",
    serving=1,
    candidates=[WHY_CANDIDATE],
)
WHY_STEP = why.WhyStep(
    at=AT, kind="routed", message="worker-1 on hive-1: the least loaded", decision=WHY_DECISION
)


PLAN_EVICTION = plan.PlanEviction(
    worker_id="worker-2",
    model="org/other:o.gguf",
    hive_id="hive-1",
    size_bytes=6_000_000_000,
    idle_s=301.5,
    load_s=4.5,
)
PLAN_OPTION = plan.PlanOption(
    hive_id="hive-1",
    device="GPU-0",
    able=False,
    chosen=True,
    reason="too little memory: about 5171 MiB needed, 2048 MiB free",
    download_bytes=0,
    needed_bytes=5_422_186_496,
    free_bytes=2_147_483_648,
    load_s=6.25,
    load_source="measured",
)
PLAN = plan.Plan(
    model="llama-3-8b",
    outcome="evict",
    message="A worker of llama-3-8b would be started on hive-1, GPU-0, after 1 worker gave way.",
    hive_id="hive-1",
    device="GPU-0",
    why=["the model is on its disk", "org/other:o.gguf gives way: idle for 302 s"],
    ready_in_s=6.25,
    ready_source="measured",
    download_bytes=0,
    evict=[PLAN_EVICTION],
    options=[PLAN_OPTION],
)


SAMPLES: list[msgspec.Struct] = [
    PLAN,
    PLAN_OPTION,
    PLAN_EVICTION,
    jobs.Status(),
    jobs.Infer(model="llama-3-8b", prompt="Hello!", top_p=0.9, top_k=40, hive_id="hive-1"),
    jobs.WorkerSpawn(model="llama-3-8b", worker="cuda", device=[0, 1], command_id="command-1"),
    jobs.WorkerProcessList(hive_id="localhost"),
    jobs.WorkerProcessGet(pid=4242),
    jobs.WorkerProcessDelete(worker_id="worker-1", force=True),
    jobs.ModelDownload(model="meta-llama/Llama-3.2-1B"),
    jobs.ModelList(),
    jobs.ModelGet(id="starter"),
    jobs.ModelDelete(model="starter"),
    jobs.ModelPin(model="starter"),
    *ENTRY_SAMPLES,
    *SETTINGS_SAMPLES,
    *SHARING_SAMPLES,
    *CARE_SAMPLES,
    *STATE_SAMPLES,
    jobs.JobAccepted(
        job_id="job-1", sse_url="/v1/jobs/job-1/stream", status="queued", created_at=AT
    ),
    jobs.JobCancelled(job_id="job-1"),
    RECORD,
    jobs.JobList(jobs=[RECORD]),
    jobs.JobEvent(
        action="token",
        message="Hello",
        type="token",
        job_id="job-1",
        seq=3,
        ts=AT,
        actor="queen",
        data={"index": 0},
    ),
    why.Why(
        job_id="job-1",
        model="starter",
        started_at=AT,
        ended_at=AT,
        outcome="completed",
        steps=[WHY_STEP],
    ),
    WHY_STEP,
    WHY_DECISION,
    WHY_CANDIDATE,
    GPU,
    NODE,
    WORKER,
    worker_details.WorkerDetails(
        **msgspec.structs.asdict(WORKER),
        asked=jobs.WorkerSpawn(model="starter", slots=4),
        fit="33 of 33 layers: 33 on GPU-1; 5,120 MiB needed on GPU-1, 8,192 MiB may be used",
    ),
    PROTECTION,
    workers.as_process(WORKER),
    FACTS,
    MODEL,
    OFFERED_FILE,
    OFFERED,
    models.ModelSearch(query="m", models=[OFFERED]),
    models.DownloadProgress(bytes=1024, total=4096, rate_bytes_s=512.5, eta_s=6.0),
    DEVICE,
    PROBLEM,
    ENGINE,
    CAPABILITIES,
    hives.EngineList(engines=[ENGINE]),
    INFO,
    hives.Heartbeat(
        hive_id="hive-1",
        hive_info=INFO,
        node=NODE,
        workers=[WORKER],
        timestamp=AT,
        capabilities=CAPABILITIES,
        models=[MODEL],
        worker_keys={"worker-1": "a made-up key"},
    ),
    hives.HeartbeatAck(message="welcome", wanted=["models"]),
    hives.HiveReady(hive_id="hive-1", hive_url="http://localhost:7835", token="a made-up token"),
    hives.HiveReadyAck(message="welcome"),
    hives.HiveTelemetry(hive_id="hive-1", timestamp=AT, node=NODE, workers=[WORKER]),
    hives.QueenTelemetry(
        workers_online=1,
        workers_available=1,
        hives_online=1,
        hives_available=1,
        worker_ids=["worker-1"],
        hive_ids=["hive-1"],
        timestamp=AT,
    ),
    openai.RequestPeek(model="starter", stream=True),
    openai.StreamOptions(include_usage=True),
    PLACE,
    MODEL_OBJECT,
    openai.ModelObjects(data=[MODEL_OBJECT]),
    ERROR,
    openai.ErrorEnvelope(error=ERROR),
    openai.Usage(prompt_tokens=8, completion_tokens=2, total_tokens=10),
    status.HiveRow(
        hive_id="hive-1",
        url="http://localhost:7835",
        state="fresh",
        local=True,
        beat_age_s=0.25,
        hostname="bee",
        version="0.1.0",
        node=NODE,
        devices=[DEVICE],
        engines=[ENGINE],
        models=1,
        workers=1,
    ),
    status.WorkerRow(hive_id="hive-1", worker=WORKER),
    status.StatusComplete(
        hives=1, hives_available=1, workers=1, workers_available=1, models=1, waiting=0
    ),
    status.InferQueued(position=2, eta_s=None, waited_s=0.5, reason="all slots are busy"),
    status.InferSpawning(
        model="starter", hive_id="hive-1", why=["the model is on its disk"], download=False
    ),
    status.InferSelected(
        worker_id="worker-1", hive_id="hive-1", model="starter", queue_ms=3, why="least loaded"
    ),
    status.InferResumed(reason="queen_restarted", pieces=12, restarts=1),
    status.InferComplete(
        worker_id="worker-1",
        hive_id="hive-1",
        model="starter",
        queue_ms=3,
        tokens=2,
        tokens_per_s=74.25,
        finish_reason="stop",
        usage=openai.Usage(prompt_tokens=8, completion_tokens=2, total_tokens=10),
    ),
    daemon.Health(),
    daemon.ServiceInfo(
        service="queen",
        version="0.1.0",
        base_url="http://localhost:7833",
        port=7833,
        pid=4243,
        features=["jobs", "openai"],
    ),
    daemon.ShutdownRequest(keep_workers=True),
    daemon.ShutdownAck(message="One worker stops first."),
    daemon.Problem(
        error="Invalid request",
        details="The required field `model` is missing at `$.model`.",
        code="invalid_request",
        param="$.model",
    ),
]


def wire_types() -> set[type[msgspec.Struct]]:
    """Every public struct that the contracts define, without those that are never sent."""
    found: set[type[msgspec.Struct]] = set()
    for info in pkgutil.iter_modules(rbee.contracts.__path__):
        module = importlib.import_module(f"rbee.contracts.{info.name}")
        for name, value in vars(module).items():
            is_struct = isinstance(value, type) and issubclass(value, msgspec.Struct)
            if is_struct and value.__module__ == module.__name__ and not name.startswith("_"):
                found.add(value)
    return found - NOT_ON_THE_WIRE


def as_text(sample: msgspec.Struct) -> bytes:
    """A sample as its golden file has it."""
    return msgspec.json.format(msgspec.json.encode(sample), indent=2) + b"\n"


def golden_path(type_: type[msgspec.Struct]) -> Path:
    """The golden file of a type."""
    return GOLDEN / f"{type_.__name__}.json"


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for path in GOLDEN.glob("*.json"):
        path.unlink()
    for sample in SAMPLES:
        golden_path(type(sample)).write_bytes(as_text(sample))
