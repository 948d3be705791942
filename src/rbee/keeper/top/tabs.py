"""What each tab shows: the queen's tables as lines. Pure.

Unknown is a dash, never 0. A row that joins two tables (a hive and its figures) is there
as soon as the first one has it.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from rbee.client.state import Row, StateTables
from rbee.keeper.top.lines import Cell, Column, Line
from rbee.keeper.units import UNKNOWN, duration_text, percent_text, rate_text, size_text

_MIB: Final = 1024 * 1024
_GIB_MB: Final = 1024  # MiB in a GiB

_GOOD, _WARN, _BAD, _WORK, _QUIET = "green", "yellow", "red", "cyan", "bright_black"
MARKS: Final = {
    "fresh": _GOOD, "up": _GOOD, "ready": _GOOD, "available": _GOOD, "completed": _GOOD,
    "busy": _WORK, "running": _WORK, "starting": _WARN, "loading": _WARN, "degraded": _WARN,
    "draining": _WARN, "stopping": _WARN, "waiting": _WARN, "queued": _WARN, "paused": _WARN,
    "downloading": _WORK, "down": _BAD, "gone": _BAD, "error": _BAD, "failed": _BAD,
    "corrupt": _BAD, "cancelled": _QUIET, "stopped": _QUIET,
}  # fmt: skip
_STATE_ORDER: Final = ("running", "waiting", "failed", "cancelled", "completed")


class Tab(NamedTuple):
    """One tab: its columns, which one sorts at first, how its lines are made."""

    name: str
    title: str
    columns: tuple[Column, ...]
    sort: str
    lines: Callable[[StateTables, float], list[Line]]
    empty: str


def _text(value: object) -> Cell:
    return Cell(UNKNOWN if value in {None, ""} else str(value))


def _model(value: object) -> Cell:
    """``org/Model-7B-GGUF:Model-7B-Q4_K_M.gguf`` as ``Model-7B``; the details have it whole."""
    name = str(value or UNKNOWN)
    short = name.rpartition("/")[2].partition(":")[0]
    return Cell(short.removesuffix(".gguf").removesuffix("-GGUF").removesuffix("-gguf"), name)


def _state(value: object) -> Cell:
    word = {"fresh": "up", "gone": "down"}.get(str(value), str(value or UNKNOWN))
    return Cell(word, word, MARKS.get(word, _QUIET))


def _number(value: float | None, digits: int = 0, unit: str = "") -> Cell:
    return Cell(UNKNOWN) if value is None else Cell(f"{value:,.{digits}f}{unit}", value)


def _percent(value: float | None) -> Cell:
    if value is None:
        return Cell(UNKNOWN)
    return Cell(f"{value:.0f} %", value, share=value / 100)


def _used(used_mb: float | None, total_mb: float | None) -> Cell:
    """``21/24``: GiB of GiB."""
    if used_mb is None or not total_mb:
        return Cell(UNKNOWN)
    text = f"{_gib(used_mb)}/{_gib(total_mb)}"
    return Cell(text, used_mb, share=used_mb / total_mb)


def _gib(size_mb: float) -> str:
    size = size_mb / _GIB_MB
    return f"{size:.1f}" if size < 10 else f"{size:.0f}"  # noqa: PLR2004  two digits say enough


def _age(since: float | None, now: float) -> Cell:
    if since is None:
        return Cell(UNKNOWN)
    return Cell(duration_text(max(0.0, now - since)), now - since)


def _total(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _workers_by(tables: StateTables, name: str) -> dict[str, list[Row]]:
    """The workers by their ``hive_id`` or ``model``: once, and not anew for each of 100 rows."""
    found: dict[str, list[Row]] = {}
    for row in tables["workers"].values():
        found.setdefault(row.get(name) or "", []).append(row)
    return found


def _hive_lines(tables: StateTables, now: float) -> list[Line]:
    lines: list[Line] = []
    below = _workers_by(tables, "hive_id")
    for hive_id, hive in tables["hives"].items():
        node = tables["nodes"].get(hive_id, {})
        gpus: list[Any] = node.get("gpus") or []
        loads = [tables["loads"].get(w["worker_id"], {}) for w in below.get(hive_id, ())]
        utils = [gpu[1] for gpu in gpus if gpu[1] is not None]
        cells = (
            Cell(hive_id),
            _state(hive.get("state")),
            _percent(node.get("cpu_pct")),
            _used(node.get("ram_used_mb"), node.get("ram_total_mb")),
            _number(len(gpus)) if gpus else Cell(UNKNOWN),
            _percent(sum(utils) / len(utils) if utils else None),
            _used(_total([g[2] for g in gpus]), _total([g[3] for g in gpus])),
            _number(len(loads)),
            _number(_total([load.get("tokens_per_s") for load in loads]), 1),
            _number(hive.get("models")),
            _text(hive.get("hostname")),
            _text(hive.get("version")),
            _age(node.get("beat_at"), now),
        )
        lines.append(Line(hive_id, cells))
    return lines


def _gpu_lines(tables: StateTables, _now: float) -> list[Line]:
    lines: list[Line] = []
    below = _workers_by(tables, "hive_id")
    for hive_id, node in tables["nodes"].items():
        names = {
            d["id"]: d.get("name") for d in tables["hives"].get(hive_id, {}).get("devices", ())
        }
        workers = below.get(hive_id, ())
        for gpu_id, util, used_mb, total_mb, temp_c, power_w in node.get("gpus") or ():
            models = [
                _model(w.get("model")).text
                for w in workers
                if gpu_id in str(w.get("device")).split(",")
            ]
            cells = (
                Cell(f"{hive_id}/{gpu_id}"),
                _percent(util),
                _used(used_mb, total_mb),
                _number(temp_c, unit=" °C"),
                _number(power_w, unit=" W"),
                _text(", ".join(models)),
                _text(names.get(gpu_id)),
            )
            lines.append(Line(f"{hive_id}/{gpu_id}", cells))
    return lines


def _worker_lines(tables: StateTables, now: float) -> list[Line]:
    lines: list[Line] = []
    for worker_id, worker in tables["workers"].items():
        load = tables["loads"].get(worker_id, {})
        busy, slots = load.get("slots_busy"), worker.get("slots_total")
        known = busy is not None and slots is not None
        cells = (
            Cell(worker_id),
            _model(worker.get("model")),
            _state(worker.get("status")),
            _text(worker.get("hive_id")),
            _text(worker.get("device")),
            Cell(f"{busy}/{slots}", busy) if known else Cell(UNKNOWN),
            _number(load.get("tokens_per_s"), 1),
            _number(load.get("queued")),
            _percent(load.get("gpu_util_pct")),
            _memory(load),
            _number(load.get("requests_total")),
            _age(worker.get("started_at"), now),
            _number(worker.get("restarts")),
            _text(worker.get("engine")),
            _text(worker.get("route")),
            _text(worker.get("reason")),
        )
        lines.append(Line(worker_id, cells))
    return lines


def _memory(load: Row) -> Cell:
    """What it takes on a GPU, else of the machine's memory."""
    size_mb = load.get("vram_mb") or load.get("rss_mb")
    return Cell(UNKNOWN) if size_mb is None else Cell(size_text(size_mb * _MIB), size_mb)


def _model_lines(tables: StateTables, now: float) -> list[Line]:
    by_model: dict[str, list[Row]] = {}
    for row in tables["models"].values():
        by_model.setdefault(row["model_id"], []).append(row)
    loading = {row["model"]: row for row in tables["downloads"].values()}
    lines: list[Line] = []
    serving = _workers_by(tables, "model")
    for model, rows in by_model.items():
        workers = serving.get(model, ())
        lines.append(_model_line(model, rows, workers, loading.pop(model, None), tables, now))
    lines += [_model_line(model, [], [], row, tables, now) for model, row in loading.items()]
    return lines


def _model_line(
    model: str,
    rows: Sequence[Row],
    workers: Sequence[Row],
    download: Row | None,
    tables: StateTables,
    now: float,
) -> Line:
    first: Row = rows[0] if rows else {}
    loads = [tables["loads"].get(worker["worker_id"], {}) for worker in workers]
    status = "ready" if workers else first.get("status") or UNKNOWN
    if download is not None:
        status = {"running": "downloading"}.get(download["state"], download["state"])
    used = [row["last_used_at"] for row in rows if row.get("last_used_at") is not None]
    cells = (
        Cell(model),
        _state(status),
        _coming(download),
        _number(len(rows)),
        _number(len(workers)),
        _number(_total([load.get("tokens_per_s") for load in loads]), 1),
        Cell(size_text(first.get("size_bytes")), first.get("size_bytes")),
        _text(first.get("quantization")),
        _number(first.get("context_length")),
        _age(max(used) if used else None, now),
    )
    return Line(model, cells)


def _coming(download: Row | None) -> Cell:
    """How far a download is, how fast, how long still."""
    if download is None:
        return Cell("")
    have, total = download.get("bytes") or 0, download.get("total")
    words = [percent_text(have, total)]
    if download.get("rate_bytes_s"):
        words.append(rate_text(download["rate_bytes_s"]))
    if download.get("eta_s") is not None:
        words.append(duration_text(download["eta_s"]))
    return Cell(" ".join(words), have, share=have / total if total else None)


def _request_lines(tables: StateTables, now: float) -> list[Line]:
    lines: list[Line] = []
    for job_id, row in tables["requests"].items():
        state = str(row.get("state"))
        rank = _STATE_ORDER.index(state) if state in _STATE_ORDER else len(_STATE_ORDER)
        began, ended = row.get("since") or now, row.get("ended_at") or now
        # Within a state the youngest first, and those who wait in their order.
        order = rank + (row.get("position") or min(now - began, 86_400)) / 100_000
        eta_s = row.get("eta_s")
        cells = (
            Cell(job_id),
            Cell(state, order, MARKS.get(state, _QUIET)),
            _model(row.get("model")),
            _number(row.get("position")),
            Cell(duration_text(ended - began), ended - began),
            Cell(UNKNOWN) if eta_s is None else Cell(duration_text(eta_s), eta_s),
            _text(row.get("client")),
            _text(row.get("worker_id")),
            _text(row.get("hive_id")),
            _text(row.get("door")),
            _text(row.get("reason")),
        )
        lines.append(Line(job_id, cells))
    return lines


TABS: Final = (
    Tab(
        "hives",
        "Hives",
        (
            Column("hive", "hive", 24),
            Column("state", "state"),
            Column("cpu", "cpu", right=True),
            Column("ram", "ram GiB", right=True, drop=2),
            Column("gpus", "gpus", right=True, drop=1),
            Column("gpu", "gpu", right=True),
            Column("vram", "vram GiB", right=True),
            Column("workers", "workers", right=True, drop=1),
            Column("tok/s", "tok/s", right=True),
            Column("models", "models", right=True, drop=6),
            Column("host", "host", 20, drop=8),
            Column("version", "version", drop=9),
            Column("beat", "beat", right=True, drop=3),
        ),
        "hive",
        _hive_lines,
        "No hive has joined. `rbee hive start` starts the one of this machine.",
    ),
    Tab(
        "gpus",
        "GPUs",
        (
            Column("gpu", "gpu", 26),
            Column("util", "util", right=True),
            Column("vram", "vram GiB", right=True),
            Column("temp", "temp", right=True),
            Column("power", "power", right=True, drop=1),
            Column("models", "models", 40, drop=2),
            Column("name", "name", 30, drop=3),
        ),
        "gpu",
        _gpu_lines,
        "No GPU tells its figures. Models run on CPUs too: see the workers.",
    ),
    Tab(
        "workers",
        "Workers",
        (
            Column("worker", "worker", 20),
            Column("model", "model", 26),
            Column("status", "status"),
            Column("hive", "hive", 16, drop=2),
            Column("device", "device", 14, drop=1),
            Column("slots", "slots", right=True),
            Column("tok/s", "tok/s", right=True),
            Column("queue", "queue", right=True, drop=4),
            Column("gpu", "gpu", right=True, drop=5),
            Column("memory", "memory", right=True, drop=3),
            Column("requests", "requests", right=True, drop=6),
            Column("up", "up", right=True, drop=5),
            Column("restarts", "restarts", right=True, drop=7),
            Column("engine", "engine", 16, drop=8),
            Column("route", "route", drop=9),
            Column("reason", "reason", 48, drop=8),
        ),
        "model",
        _worker_lines,
        "No worker runs. The first request for a model starts one; so does `rbee worker spawn`.",
    ),
    Tab(
        "models",
        "Models",
        (
            Column("model", "model", 40),
            Column("state", "state"),
            Column("download", "download", 30),
            Column("hives", "hives", right=True, drop=2),
            Column("workers", "workers", right=True, drop=1),
            Column("tok/s", "tok/s", right=True, drop=3),
            Column("size", "size", right=True, drop=1),
            Column("quant", "quant", drop=5),
            Column("context", "context", right=True, drop=6),
            Column("used", "used", right=True, drop=4),
        ),
        "model",
        _model_lines,
        "No model is here. `rbee model download starter` fetches a small first one.",
    ),
    Tab(
        "requests",
        "Requests",
        (
            Column("job", "job", 22, drop=1),
            Column("state", "state"),
            Column("model", "model", 26),
            Column("place", "place", right=True),
            Column("time", "time", right=True),
            Column("eta", "eta", right=True, drop=2),
            Column("client", "client", 16, drop=3),
            Column("worker", "worker", 18, drop=4),
            Column("hive", "hive", 14, drop=5),
            Column("door", "door", 22, drop=7),
            Column("why", "why", 50, drop=6),
        ),
        "state",
        _request_lines,
        'Nobody has asked yet. `rbee infer "Say hi"` does.',
    ),
)
