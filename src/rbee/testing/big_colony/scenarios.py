"""Which machines a played colony has: named scenarios, and one of any size. Pure."""

from typing import Final

import msgspec

from rbee.contracts.models import Download, Model, ModelStatus

GIB: Final = 1024**3


class GpuKind(msgspec.Struct, frozen=True):
    """A GPU that one can buy. ``idle_w`` and ``full_w`` are what it draws."""

    name: str
    memory_mb: int
    generation: str
    idle_w: float
    full_w: float


H200: Final = GpuKind("NVIDIA H200", 143_771, "9.0", 75, 690)
A100: Final = GpuKind("NVIDIA A100-SXM4-80GB", 81_920, "8.0", 55, 400)
L40S: Final = GpuKind("NVIDIA L40S", 46_068, "8.9", 35, 340)
RTX: Final = GpuKind("NVIDIA GeForce RTX 4090", 24_564, "8.9", 18, 430)


class WorkerPlan(msgspec.Struct, kw_only=True):
    """A worker that a hive is said to have. ``fate``: what becomes of it in the play."""

    model: str
    gpus: list[int] = msgspec.field(default_factory=list[int])
    slots: int = 8
    fate: str = "serves"  # serves | loading | failed | crashing | draining


class HivePlan(msgspec.Struct, kw_only=True):
    """A machine that is said to be there. ``silent_after_s``: then it is heard no more."""

    hive_id: str
    gpu: GpuKind | None = None
    gpus: int = 0
    cores: int = 64
    ram_gb: int = 512
    workers: list[WorkerPlan] = msgspec.field(default_factory=list[WorkerPlan])
    models: list[Model] = msgspec.field(default_factory=list[Model])
    downloads: list[Download] = msgspec.field(default_factory=list[Download])
    labels: list[str] = msgspec.field(default_factory=list[str])
    version: str = "0.1.0"
    heat: float = 0.5  # how busy it is on the whole, 0 to 1
    silent_after_s: float | None = None
    device_problem: str | None = None
    engine_problem: str | None = None


def model(name: str, gib: float, quantization: str, *, status: ModelStatus = "available") -> Model:
    """A model of a catalogue, with what a page shows of it."""
    repository = name.split(":", maxsplit=1)[0]
    return Model(
        id=name,
        name=repository.rsplit("/", maxsplit=1)[-1],
        size_bytes=int(gib * GIB),
        status=status,
        quantization=quantization,
        context_length=131_072,
        aliases=[repository],
        architecture=_ARCHITECTURES.get(repository.split("/", maxsplit=1)[0], "llama"),
        chat_template=True,
        tools=True,
        system_role=True,
        source=f"hub:{repository}",
        reason="its last 12 MiB are not what the hub says" if status == "corrupt" else None,
        load_s=round(2 + gib * 0.4, 1),
        memory_bytes=int(gib * 1.15 * GIB),
    )


_ARCHITECTURES: Final = {"Qwen": "qwen3", "google": "gemma3", "mistralai": "llama"}

CATALOGUE: Final = [
    model("Qwen/Qwen3-4B-GGUF:Qwen3-4B-Q4_K_M.gguf", 2.3, "Q4_K_M"),
    model("Qwen/Qwen3-14B-GGUF:Qwen3-14B-Q4_K_M.gguf", 8.4, "Q4_K_M"),
    model("Qwen/Qwen3-32B-GGUF:Qwen3-32B-Q5_K_M.gguf", 21.6, "Q5_K_M"),
    model("google/gemma-3-27b-it-qat-q4_0-gguf:gemma-3-27b-it-q4_0.gguf", 16.0, "Q4_0"),
    model("meta-llama/Llama-3.3-70B-GGUF:Llama-3.3-70B-Q4_K_M.gguf", 39.6, "Q4_K_M"),
    model("mistralai/Mistral-Small-24B-GGUF:Mistral-Small-24B-Q6_K.gguf", 18.0, "Q6_K"),
    model("microsoft/phi-4-gguf:phi-4-Q4.gguf", 8.4, "Q4"),
    model("starter", 0.1, "Q8_0"),
]


def any_size(hives: int, gpus: int, workers: int) -> list[HivePlan]:
    """So many machines with so many GPUs and workers each: racks of four kinds."""
    kinds = (H200, A100, L40S, RTX)
    return [
        HivePlan(
            hive_id=f"rack{n // 10 + 1}-node{n % 10 + 1:02}",
            gpu=kinds[n // 10 % len(kinds)],
            gpus=gpus,
            ram_gb=1024 if gpus > 1 else 128,
            cores=128 if gpus > 1 else 32,
            workers=[
                WorkerPlan(
                    model=CATALOGUE[(n + w) % len(CATALOGUE)].id,
                    gpus=[w % gpus] if gpus else [],
                    slots=(4, 8, 16)[(n + w) % 3],
                )
                for w in range(workers)
            ],
            models=list(CATALOGUE),
            labels=["gpu", f"rack-{n // 10 + 1}"] if gpus else ["cpu"],
            heat=0.15 + 0.8 * ((n * 37) % 100) / 100,
        )
        for n in range(hives)
    ]


def one_hive() -> list[HivePlan]:
    """A desk: one GPU, two workers, three models."""
    return [
        HivePlan(
            hive_id="workstation",
            gpu=RTX,
            gpus=1,
            cores=24,
            ram_gb=64,
            workers=[
                WorkerPlan(model=CATALOGUE[1].id, gpus=[0], slots=4),
                WorkerPlan(model="starter", slots=4),
            ],
            models=[CATALOGUE[0], CATALOGUE[1], CATALOGUE[7]],
            heat=0.4,
        )
    ]


def errors() -> list[HivePlan]:
    """Six machines, and something wrong with each."""
    return [*_machines_in_trouble(), *_models_in_trouble()]


def _machines_in_trouble() -> list[HivePlan]:
    small, large = CATALOGUE[1], CATALOGUE[4]
    return [
        HivePlan(
            hive_id="went-silent",
            gpu=A100,
            gpus=4,
            workers=[WorkerPlan(model=large.id, gpus=[0, 1])],
            models=[large],
            silent_after_s=20.0,
        ),
        HivePlan(
            hive_id="no-driver",
            cores=32,
            device_problem="The NVIDIA driver is not loaded: nvidia-smi says "
            "'Driver/library version mismatch'.",
            engine_problem="vLLM 0.9 wants a GPU, and there is none.",
            models=[small],
        ),
        HivePlan(
            hive_id="out-of-memory",
            gpu=RTX,
            gpus=2,
            workers=[WorkerPlan(model=large.id, gpus=[0, 1], fate="failed")],
            models=[large],
            heat=0.95,
        ),
    ]


def _models_in_trouble() -> list[HivePlan]:
    small, large = CATALOGUE[1], CATALOGUE[4]
    broken = model("acme/Broken-8B-GGUF:Broken-8B-Q4_K_M.gguf", 4.6, "Q4_K_M", status="corrupt")
    return [
        HivePlan(
            hive_id="crash-loop",
            gpu=L40S,
            gpus=2,
            workers=[
                WorkerPlan(model=small.id, gpus=[0], fate="crashing"),
                WorkerPlan(model=small.id, gpus=[1], fate="draining"),
            ],
            models=[small, broken],
        ),
        HivePlan(
            hive_id="disk-full",
            gpu=L40S,
            gpus=1,
            models=[small],
            downloads=[
                Download(
                    model=large.id,
                    name="meta-llama/Llama-3.3-70B-GGUF",
                    state="failed",
                    bytes=21 * GIB,
                    total=large.size_bytes,
                    source="hub:meta-llama/Llama-3.3-70B-GGUF",
                    reason="The disk is full: 18.6 GiB are missing.",
                    remedy="Delete models, or set `[hive] models_dir` to a larger disk.",
                )
            ],
        ),
        HivePlan(
            hive_id="still-loading",
            gpu=H200,
            gpus=1,
            workers=[WorkerPlan(model=large.id, gpus=[0], fate="loading")],
            models=[large],
            downloads=downloads(),
        ),
    ]


def downloads() -> list[Download]:
    """One that comes, one that waits, one that was paused."""
    return [
        Download(
            model=CATALOGUE[2].id,
            name="Qwen/Qwen3-32B",
            state="running",
            total=CATALOGUE[2].size_bytes,
            source="hub:Qwen/Qwen3-32B-GGUF",
        ),
        Download(
            model=CATALOGUE[3].id,
            name="google/gemma-3-27b-it",
            state="queued",
            position=1,
            total=CATALOGUE[3].size_bytes,
            reason="Waiting: 1 other download is running.",
        ),
        Download(
            model=CATALOGUE[5].id,
            name="mistralai/Mistral-Small-24B",
            state="paused",
            bytes=7 * GIB,
            total=CATALOGUE[5].size_bytes,
            reason="paused by an operator",
        ),
    ]


def downloading() -> list[HivePlan]:
    """Three machines, one of which fetches."""
    plans = any_size(3, 2, 2)
    plans[0].downloads = downloads()
    return plans


SCENARIOS: Final = {
    "empty": list[HivePlan],
    "one": one_hive,
    "hundred": lambda: any_size(100, 8, 10),
    "ten": lambda: any_size(10, 8, 10),
    "errors": errors,
    "downloads": downloading,
}
"""From a scenario's name to its machines."""
