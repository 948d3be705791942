"""The queen's figures as Prometheus reads them, and a board that asks for nothing else."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.testclient import TestClient

from rbee.contracts.hives import GpuStats, NodeStats
from rbee.foundation.metrics import metrics_route
from rbee.queen import metrics
from rbee.queen.metrics import Figures
from rbee.queen.registry.colony import Colony
from rbee.queen.tally import OTHER, Tally
from rbee.testing.raw_worker import beat, ready_worker

BOARD = Path(__file__).parents[3] / "docs" / "grafana" / "rbee.json"
_CHAT = "/v1/chat/completions"
_METRIC = re.compile(r"\b(?:rbee|process)_[a-z_]+")


class Waiters:
    """A queue to look at."""

    def __init__(self, **waiting: int) -> None:
        self._waiting = waiting

    def models(self) -> list[str]:
        return list(self._waiting)

    def waiting(self, model: str) -> int:
        return self._waiting[model]


def colony_of(*hives: str) -> Colony:
    colony = Colony(hostname="here")
    for number, name in enumerate(hives):
        one = beat([ready_worker(f"w{number}", 9001)])
        one.hive_id = one.hive_info.id = name
        one.node = NodeStats(
            cpu_pct=25.0,
            ram_used_mb=1.0,
            gpus=[GpuStats(id="GPU-0", util_pct=50.0, vram_used_mb=2.0, vram_total_mb=4.0)],
        )
        colony.beat(one, 100.0)
    return colony


def busy_tally() -> Tally:
    tally = Tally()
    tally.answered("m", _CHAT, 200, queue_s=0.2, first_s=0.5, whole_s=1.5, events=11)
    tally.answered("nobody-has-it", _CHAT, 404)
    tally.tokens("m", _CHAT, 7, 10)
    tally.routed("least-loaded")
    tally.refused("model_not_found")
    tally.retried("m")
    tally.continued("m", ok=True)
    tally.continued("m", ok=False)
    tally.spawned(ok=True, load_s=1.5)
    tally.evicted("idle")
    return tally


def figures(colony: Colony, tally: Tally | None = None, **waiting: int) -> Figures:
    return Figures(
        tally=tally or busy_tally(),
        colony=colony,
        queue=Waiters(**waiting),
        running=lambda: {"w0": 2},
        jobs=lambda: ["running", "completed", "completed"],
    )


def scraped(source: Figures, accept: str = "") -> dict[str, dict[tuple[str, ...], float]]:
    """Sample name → label values (in the order of their names) → value, as Prometheus parses it."""
    app = Starlette(routes=[metrics_route("queen", source)])
    answer = TestClient(app).get("/metrics", headers={"accept": accept})
    assert answer.status_code == 200
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[
                tuple(text for _, text in sorted(sample.labels.items()))
            ] = sample.value
    return found


def test_every_figure_of_a_busy_queen_is_there() -> None:
    seen = scraped(figures(colony_of("h1"), m=3))
    assert seen["rbee_requests_total"][_CHAT, "m", "200"] == 1
    assert seen["rbee_requests_total"][_CHAT, OTHER, "404"] == 1
    assert seen["rbee_tokens_total"][_CHAT, "prompt", "m"] == 7
    assert seen["rbee_tokens_total"][_CHAT, "completion", "m"] == 10
    assert seen["rbee_time_to_first_token_seconds_sum"][_CHAT, "m"] == pytest.approx(0.5)
    assert seen["rbee_inter_token_seconds_count"][_CHAT, "m"] == 1
    assert seen["rbee_queue_seconds_bucket"][_CHAT, "0.5", "m"] == 1
    assert seen["rbee_queue_seconds_bucket"][_CHAT, "0.1", "m"] == 0
    assert seen["rbee_routed_total"]["least-loaded",] == 1
    assert seen["rbee_retries_total"]["m",] == 1
    assert seen["rbee_continued_streams_total"] == {("m", "continued"): 1, ("m", "broken"): 1}
    assert seen["rbee_spawns_total"] == {("started",): 1, ("failed",): 0}
    assert seen["rbee_evictions_total"]["idle",] == 1
    assert seen["rbee_waiting_requests"]["m",] == 3
    assert seen["rbee_running_requests"][()] == 2
    assert seen["rbee_hives"] == {("fresh",): 1, ("degraded",): 0, ("down",): 0, ("gone",): 0}
    assert seen["rbee_workers"]["ready",] == 1
    assert seen["rbee_slots_in_use"]["h1", "m"] == 2
    assert seen["rbee_device_utilization_ratio"]["GPU-0", "h1"] == pytest.approx(0.5)
    assert seen["rbee_device_memory_bytes"]["GPU-0", "h1"] == 4 * 1024 * 1024
    assert seen["rbee_node_cpu_ratio"]["h1",] == pytest.approx(0.25)
    assert seen["rbee_jobs"]["completed",] == 2
    assert next(iter(seen["rbee_build_info"]))[1] == "queen"
    assert seen["process_resident_memory_bytes"][()] > 1_000_000
    assert seen["process_cpu_seconds_total"][()] > 0


def test_unknown_is_left_out_and_never_zero() -> None:
    seen = scraped(figures(colony_of("h1")))
    assert "rbee_node_disk_free_bytes" not in seen
    assert "rbee_device_power_watts" not in seen


def test_names_that_clients_make_up_get_no_line_of_their_own() -> None:
    waiting = {f"made/up-{number}": 1 for number in range(200)}
    seen = scraped(figures(colony_of("h1"), **waiting, m=1))
    assert seen["rbee_waiting_requests"] == {(OTHER,): 200, ("m",): 1}


def test_a_large_colony_is_counted_whole_and_shown_in_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metrics, "HIVES_MAX", 20)
    seen = scraped(figures(colony_of(*(f"h{n:05}" for n in range(25)))))
    assert seen["rbee_hives"]["fresh",] == 25
    assert len(seen["rbee_node_cpu_ratio"]) == 20


def test_openmetrics_is_spoken_to_who_asks_for_it() -> None:
    app = Starlette(routes=[metrics_route("queen", figures(colony_of("h1")))])
    accept = {"accept": "application/openmetrics-text; version=1.0.0"}
    answer = TestClient(app).get("/metrics", headers=accept)
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


def test_a_fresh_queen_has_a_page_too() -> None:
    seen = scraped(figures(Colony(), Tally()))
    assert seen["rbee_running_requests"][()] == 2
    assert seen["rbee_spawns_total"]["started",] == 0


# ── the board ────────────────────────────────────────────────────────────────


def queries(node: object) -> Iterator[str]:
    match node:
        case {"expr": str(text)} | {"query": {"query": str(text)}}:
            yield text
    values = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for value in values:
        yield from queries(value)


def complete(tally: Tally) -> Figures:
    colony = colony_of("h1")
    (hive,) = colony.hives()
    hive.node.ram_total_mb = hive.node.disk_free_mb = 8.0
    hive.node.gpus[0].temp_c = hive.node.gpus[0].power_w = 40.0
    hive.workers[0].tokens_per_s = 9.0
    return figures(colony, tally, m=1)


def test_the_board_asks_only_for_figures_that_exist() -> None:
    seen = scraped(complete(busy_tally()))
    asked = {
        name
        for query in queries(json.loads(BOARD.read_text(encoding="utf-8")))
        for name in _METRIC.findall(query)
    }
    assert asked
    assert asked <= set(seen), asked - set(seen)


def test_the_board_shows_every_figure_of_ours() -> None:
    families: list[Metric] = list(complete(busy_tally())()())
    asked = BOARD.read_text(encoding="utf-8")
    assert [family.name for family in families if family.name not in asked] == []


def test_the_boards_panels_have_ids_titles_and_places_of_their_own() -> None:
    board = json.loads(BOARD.read_text(encoding="utf-8"))
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) > 20
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len(panels)
    assert all(panel["title"] for panel in panels)
