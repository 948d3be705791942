"""``rbee top``: tables as lines, filtered, sorted, fitted to a width."""

import json
from pathlib import Path

import pytest

from rbee.client.state import StateTables
from rbee.keeper.top.details import fields_of
from rbee.keeper.top.heading import load, spark, summary
from rbee.keeper.top.lines import Cell, Column, Line, bar, fitted, matching, ordered
from rbee.keeper.top.tabs import TABS, Tab

NOW = 1000.0
HIVE = {"hive_id": "far", "state": "fresh", "hostname": "far.lan", "devices": [], "version": "1"}
NODE = {"beat_at": 999.0, "cpu_pct": 50.0, "gpus": [["GPU-0", 80, 512, 1024, 61, None]]}
WORKER = {
    "worker_id": "w-1", "hive_id": "far", "model": "bee", "status": "ready", "device": "GPU-0",
    "slots_total": 4, "started_at": 940.0,
}  # fmt: skip
LOAD = {"slots_busy": 1, "tokens_per_s": 30.5, "gpu_util_pct": None, "vram_mb": 512}
REQUEST = {"job_id": "j-1", "state": "waiting", "position": 2, "since": 990.0, "model": "bee"}
MODEL = {"hive_id": "far", "model_id": "bee", "size_bytes": 1e9, "status": "available"}
DOWNLOAD = {"hive_id": "far", "model": "big", "bytes": 25, "total": 100, "state": "running"}


def tables(**rows: dict[str, object]) -> StateTables:
    found = StateTables()
    found.take(json.dumps({"type": "snapshot", "at": NOW, "tables": rows}))
    return found


FULL = tables(
    hives={"far": HIVE},
    nodes={"far": NODE},
    workers={"w-1": WORKER},
    loads={"w-1": LOAD},
    models={"far/bee": MODEL},
    downloads={"far/big": DOWNLOAD},
    requests={"j-1": REQUEST},
    colony={"queen": {"hives": 1, "hives_available": 1, "tokens_per_s": 30.5, "running": 1}},
)


def tab(name: str) -> Tab:
    return next(found for found in TABS if found.name == name)


def texts(name: str, state: StateTables = FULL) -> list[dict[str, str]]:
    found = tab(name)
    keys = [column.key for column in found.columns]
    return [
        dict(zip(keys, [cell.text for cell in line.cells], strict=True))
        for line in found.lines(state, NOW)
    ]


def test_every_tab_shows_what_its_tables_hold() -> None:
    assert (
        texts("hives")[0] | {"state": "up", "vram": "0.5/1.0", "tok/s": "30.5"}
        == (texts("hives")[0])
    )
    assert texts("gpus")[0]["models"] == "bee"
    assert texts("workers")[0]["slots"] == "1/4"
    assert texts("workers")[0]["up"] == "1 min"
    assert texts("requests")[0]["place"] == "2"
    by_model = {row["model"]: row for row in texts("models")}
    assert by_model["bee"]["state"] == "ready"
    assert by_model["big"]["state"] == "downloading"
    assert by_model["big"]["download"].startswith("25 %")


def test_unknown_is_a_dash_and_never_nought() -> None:
    bare = tables(hives={"far": {}}, workers={"w-1": {"worker_id": "w-1"}}, requests={"j": {}})
    assert texts("hives", bare)[0]["cpu"] == "-"
    assert {texts("workers", bare)[0][key] for key in ("slots", "tok/s", "gpu", "up")} == {"-"}
    assert texts("requests", bare)[0]["place"] == "-"


@pytest.mark.parametrize("name", [found.name for found in TABS])
def test_nothing_there_is_no_line(name: str) -> None:
    assert tab(name).lines(StateTables(), NOW) == []


LINES = [
    Line("w-10", (Cell("w-10"), Cell("ready"), Cell("3", 3.0))),
    Line("w-9", (Cell("w-9"), Cell("error"), Cell("-"))),
    Line("w-11", (Cell("w-11"), Cell("ready"), Cell("20", 20.0))),
]
COLUMNS = (
    Column("id", "id"),
    Column("status", "status", drop=2),
    Column("n", "n", right=True, drop=1),
)


def keys(lines: list[Line]) -> list[str]:
    return [line.key for line in lines]


def test_a_filter_is_words_or_a_column() -> None:
    assert keys(matching(LINES, COLUMNS, "READY w-1")) == ["w-10", "w-11"]
    assert keys(matching(LINES, COLUMNS, "status:err")) == ["w-9"]
    assert keys(matching(LINES, COLUMNS, "id:ready")) == []


def test_order_is_natural_and_unknown_is_last_either_way() -> None:
    assert keys(ordered(LINES, 0, reverse=False)) == ["w-9", "w-10", "w-11"]
    assert keys(ordered(LINES, 2, reverse=False)) == ["w-10", "w-11", "w-9"]
    assert keys(ordered(LINES, 2, reverse=True)) == ["w-11", "w-10", "w-9"]


@pytest.mark.parametrize(("width", "kept"), [(40, [0, 1, 2]), (12, [0, 2]), (4, [0])])
def test_what_a_narrow_terminal_has_no_room_for_goes(width: int, kept: list[int]) -> None:
    placed = fitted(COLUMNS, LINES, width)
    assert [one.at for one in placed] == kept
    assert sum(one.width for one in placed) + 2 * (len(placed) - 1) <= max(width, 5)


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("name", [found.name for found in TABS])
def test_every_tab_fits(name: str, width: int) -> None:
    found = tab(name)
    placed = fitted(found.columns, found.lines(FULL, NOW), width)
    assert sum(one.width for one in placed) + 2 * (len(placed) - 1) <= width


def test_bars_and_sparks() -> None:
    assert bar(0.5, 4) == "██  "
    assert bar(2.0, 3) == "███"
    assert bar(0.0, 3) == "   "
    assert spark([0.0, 5.0, 10.0], 5) == "  ▁▅█"
    assert spark([0.0, 0.0], 5) == "▁▁"


@pytest.mark.parametrize("width", [80, 120])
def test_the_head_fits_its_width(width: int) -> None:
    assert "1/1 hive" in summary(FULL, "far:1").plain
    assert len(load(FULL, [1.0] * 90, width).plain) <= width - 2
    assert load(tables(), [], width).plain


@pytest.mark.parametrize(
    ("name", "key", "field"),
    [
        ("hives", "far", ("hostname", "far.lan")),
        ("gpus", "far/GPU-0", ("worker", "w-1 ready: bee")),
        ("workers", "w-1", ("vram", "537 MB")),
        ("models", "big", ("download to far", "running")),
        ("requests", "j-1", ("position", "2")),
    ],
)
def test_details_hold_the_whole_row(name: str, key: str, field: tuple[str, str]) -> None:
    assert field in fields_of(name, key, FULL, NOW)
    assert fields_of(name, "nobody", tables(), NOW) in ([], [("hive", "")])


def test_the_tables_are_those_of_the_stream() -> None:
    types = Path(__file__).parents[3] / "web" / "src" / "state" / "types.ts"
    for name in ("hives", "nodes", "workers", "loads", "models", "requests", "downloads"):
        assert f"  {name}: " in types.read_text(encoding="utf-8")
