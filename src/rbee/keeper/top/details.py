"""All that is known of one row, as fields. Pure.

The tables hold what fits into a line; this shows the whole rows, those of other tables
that belong to them, and for a request why it went where it went.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from rbee.client.state import Row, StateTables
from rbee.contracts.why import Why
from rbee.keeper.units import UNKNOWN, duration_text, size_text
from rbee.keeper.why_text import headline, step_text

Fields = list[tuple[str, str]]

_NAMES: Final = {
    "hives": ("hives", "nodes"),
    "workers": ("workers", "loads"),
    "requests": ("requests",),
}
_MIB: Final = 1024 * 1024
_TIMES: Final = ("_at", "since")


def fields_of(tab: str, key: str, tables: StateTables, now: float) -> Fields:
    """The fields of a row; empty when it is gone."""
    if tab == "gpus":
        return list(_gpu(key, tables))
    if tab == "models":
        return list(_model(key, tables, now))
    found: Fields = []
    for name in _NAMES[tab]:
        found += _plain(tables[name].get(key, {}), now)
    return found


def why_fields(why: Why) -> Fields:
    """Why a request went where it went, step by step."""
    steps = [step_text(step, why.started_at) for step in why.steps]
    return [("", ""), ("why", headline(why)), *(("", step) for step in steps)]


def _plain(row: Row, now: float) -> Iterator[tuple[str, str]]:
    for name, value in row.items():
        if name == "devices":
            yield from ((f"device {one['id']}", _device(one)) for one in value)
        elif name == "engines":
            yield from ((f"engine {e['name']}", _engine(e)) for e in value)
        elif name == "device_problems":
            yield from ((f"no {one['vendor']}", str(one["reason"])) for one in value)
        elif name == "gpus":
            yield from ((f"now {gpu[0]}", _figures(gpu)) for gpu in value)
        else:
            yield _label(name), _value(name, value, now)


def _gpu(key: str, tables: StateTables) -> Iterator[tuple[str, str]]:
    hive_id, _, gpu_id = key.rpartition("/")
    yield "hive", hive_id
    for device in tables["hives"].get(hive_id, {}).get("devices", ()):
        if device["id"] == gpu_id:
            yield from _plain(device, 0.0)
    for gpu in tables["nodes"].get(hive_id, {}).get("gpus", ()):
        if gpu[0] == gpu_id:
            yield "now", _figures(gpu)
    for worker in tables["workers"].values():
        if worker["hive_id"] == hive_id and gpu_id in str(worker.get("device")).split(","):
            yield "worker", f"{worker['worker_id']} {worker['status']}: {worker['model']}"


def _model(key: str, tables: StateTables, now: float) -> Iterator[tuple[str, str]]:
    rows = [row for row in tables["models"].values() if row["model_id"] == key]
    if rows:
        yield from _plain(rows[0], now)
    for row in rows[1:]:
        yield "also on", f"{row['hive_id']}, {row.get('status')}"
    for row in tables["downloads"].values():
        if row["model"] == key:
            yield f"download to {row['hive_id']}", str(row.get("reason") or row["state"])
    for worker in tables["workers"].values():
        if worker["model"] == key:
            yield "worker", f"{worker['worker_id']} {worker['status']} on {worker['hive_id']}"


def _label(name: str) -> str:
    for unit in ("_mb", "_pct", "_s", "_gb", "_bytes"):
        name = name.removesuffix(unit) if name != unit else name
    return name.replace("_", " ")


def _value(name: str, value: object, now: float) -> str:
    if value is None or value in ("", []):
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return _amount(name, value, now)
    if isinstance(value, list):
        return ", ".join(map(str, cast("list[object]", value)))
    return str(value)


def _amount(name: str, value: float, now: float) -> str:
    if name.endswith("_mb"):
        return size_text(value * _MIB)
    if name.endswith("_bytes"):
        return size_text(value)
    if name.endswith("_pct"):
        return f"{value:.0f} %"
    if name.endswith(_TIMES):
        clock = time.strftime("%H:%M:%S", time.localtime(value))
        return f"{clock}, {duration_text(max(0.0, now - value))} ago"
    if name.endswith("_s") and not name.endswith("per_s"):
        return duration_text(value)
    return f"{value:,.1f}" if isinstance(value, float) else str(value)


def _device(device: Mapping[str, Any]) -> str:
    parts = [str(device.get("name")), str(device.get("device_type"))]
    if device.get("memory_mb"):
        parts.append(size_text(device["memory_mb"] * _MIB))
    if device.get("reason"):
        parts.append(f"not usable: {device['reason']}")
    return ", ".join(parts)


def _engine(engine: Mapping[str, Any]) -> str:
    if engine.get("usable"):
        return f"usable, {engine.get('version') or UNKNOWN}"
    return f"not usable: {engine.get('reason') or UNKNOWN}"


def _figures(gpu: list[Any]) -> str:
    _, util, used_mb, total_mb, temp_c, power_w = gpu
    memory = f"{size_text((used_mb or 0) * _MIB)} of {size_text((total_mb or 0) * _MIB)}"
    parts = [
        UNKNOWN if util is None else f"{util:.0f} %",
        UNKNOWN if used_mb is None or total_mb is None else memory,
        UNKNOWN if temp_c is None else f"{temp_c:.0f} °C",
        UNKNOWN if power_w is None else f"{power_w:.0f} W",
    ]
    return ", ".join(parts)
