"""A hive's own figures: its machine, its workers, its jobs."""

from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.testclient import TestClient

from rbee.contracts.hives import GpuStats, NodeStats
from rbee.contracts.workers import WorkerStats
from rbee.foundation.metrics import metrics_route
from rbee.hive.metrics import Figures

MIB = 1024 * 1024


def worker(worker_id: str, **fields: object) -> WorkerStats:
    return WorkerStats(
        worker_id=worker_id,
        model="m",
        engine="e",
        status="ready",
        port=9001,
        device="CPU-0",
        **fields,
    )


def scraped(source: Figures) -> dict[str, dict[tuple[str, ...], float]]:
    answer = TestClient(Starlette(routes=[metrics_route("hive", source)])).get("/metrics")
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            labels = tuple(text for _, text in sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


def test_a_hive_shows_its_machine_its_workers_and_its_jobs() -> None:
    node = NodeStats(cpu_pct=50.0, gpus=[GpuStats(id="GPU-0", util_pct=10.0)])
    workers = [worker("w1", restarts=2, rss_mb=10.0), worker("w2", rss_mb=None)]
    seen = scraped(
        Figures("h1", node=lambda: node, workers=lambda: workers, jobs=lambda: ["running"])
    )
    assert seen["rbee_hive_workers"]["ready",] == 2
    assert seen["rbee_hive_workers"]["error",] == 0
    assert seen["rbee_hive_worker_restarts"]["m",] == 2
    assert seen["rbee_hive_worker_memory_bytes"]["m",] == 10 * MIB
    assert seen["rbee_hive_jobs"]["running",] == 1
    assert seen["rbee_node_cpu_ratio"]["h1",] == 0.5
    assert seen["rbee_device_utilization_ratio"]["GPU-0", "h1"] == 0.1
    assert next(iter(seen["rbee_build_info"]))[1] == "hive"


def test_a_hive_without_workers_has_a_page_too() -> None:
    seen = scraped(Figures("h1", node=NodeStats, workers=list, jobs=list))
    assert seen["rbee_hive_workers"]["ready",] == 0
    assert "rbee_node_cpu_ratio" not in seen
