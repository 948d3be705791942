"""``rbee status``: the queen, her hives, their workers and models."""

from collections.abc import Sequence

import msgspec
from cyclopts import App

from rbee.client.queen import QueenClient
from rbee.contracts.daemon import ServiceInfo
from rbee.contracts.openai import ModelObject
from rbee.contracts.status import HiveRow, WorkerRow
from rbee.foundation.trust import key_for
from rbee.keeper.addresses import address_of
from rbee.keeper.cli.frame import examples
from rbee.keeper.cli.options import JsonFlag, QueenFlag
from rbee.keeper.daemons import ask_info
from rbee.keeper.glance import Glance, ask_glance
from rbee.keeper.screen import out, out_json, out_table
from rbee.keeper.units import UNKNOWN, size_text

status_app = App(name="status", help_epilogue=examples("rbee status", "rbee status --json"))


class ColonyStatus(msgspec.Struct, kw_only=True):
    """``rbee status --json``."""

    queen: ServiceInfo
    hives: list[HiveRow]
    workers: list[WorkerRow]
    models: list[ModelObject]


@status_app.default
async def status(*, json: JsonFlag = False, queen: QueenFlag = None) -> None:
    """The colony at a glance: queen, hives, workers, models."""
    url = address_of("queen", queen).url
    info = await ask_info("queen", url)
    async with QueenClient(url, key=key_for(url)) as client:
        glance = await ask_glance(client)
        models = await client.models()
    if json:
        found = ColonyStatus(queen=info, hives=glance.hives, workers=glance.workers, models=models)
        out_json(found)
        return
    out(f"queen {info.base_url}, version {info.version}")
    _print_hives(glance)
    _print_workers(glance)
    _print(
        ("model", "state", "size", "hives"),
        [
            (
                model.id,
                model.rbee.state,
                size_text(model.rbee.size_bytes),
                ",".join(model.rbee.hives),
            )
            for model in models
        ],
        empty="No models yet. `rbee model download starter` fetches a small first one.",
    )


def _print_hives(glance: Glance) -> None:
    _print(
        ("hive", "state", "address", "version", "devices"),
        [
            (hive.hive_id, _state(hive), hive.url, hive.version or UNKNOWN, _devices(hive))
            for hive in glance.hives
        ],
        empty="No hive has joined. `rbee hive start` starts the one of this machine.",
    )


def _print(headings: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str) -> None:
    """One part of the report; here "nothing" is an answer too and goes to stdout."""
    out("")
    if rows:
        out_table(headings, rows, empty=empty)
    else:
        out(empty)


def _state(hive: HiveRow) -> str:
    return {"fresh": "up", "gone": "down"}.get(hive.state, hive.state)


def _devices(hive: HiveRow) -> str:
    return ",".join(device.id for device in hive.devices) or UNKNOWN


def _print_workers(glance: Glance) -> None:
    _print(
        ("worker", "model", "status", "hive", "route", "device", "slots", "tok/s"),
        [_worker_row(worker) for worker in glance.workers],
        empty="No workers run. The first request for a model starts one.",
    )


def _worker_row(row: WorkerRow) -> tuple[str, ...]:
    worker = row.worker
    busy = UNKNOWN if worker.slots_busy is None else str(worker.slots_busy)
    total = UNKNOWN if worker.slots_total is None else str(worker.slots_total)
    speed = UNKNOWN if worker.tokens_per_s is None else f"{worker.tokens_per_s:.1f}"
    return (
        worker.worker_id,
        worker.model,
        worker.status,
        row.hive_id,
        row.route or UNKNOWN,
        worker.device,
        f"{busy}/{total}",
        speed,
    )
