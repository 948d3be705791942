"""The hives' tables, sampled from the registry: hives, nodes, workers, loads, models, downloads.

A sample is a walk over all hives, with a pause after every few so that a colony of thousands
never holds the loop for long. What did not change is given as the same bytes again, which
the feed compares by their address: models, which only a catalogue that was told anew
changes, cost nothing in between.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import anyio.lowlevel
import msgspec

from rbee.contracts.ids import HiveId
from rbee.contracts.models import Model
from rbee.contracts.state import HiveRoute
from rbee.queen.registry.colony import Colony
from rbee.queen.registry.hives import HiveEntry
from rbee.queen.state.feed import Rows
from rbee.queen.state.happenings import Happening, Watcher
from rbee.queen.state.rows import (
    Standing,
    download_row,
    hive_row,
    known_mean,
    known_sum,
    load_row,
    model_row,
    node_row,
    worker_row,
)
from rbee.queen.state.steady import Steady

ROWS_AT_ONCE: Final = 200  # under a millisecond; then whoever else waits for the loop has a turn

_encode = msgspec.json.Encoder().encode


class HiveTables(NamedTuple):
    """What a walk over the hives gives. Tables that were not asked for are empty."""

    tables: dict[str, Rows]
    tokens_per_s: float | None
    gpu_util_pct: float | None
    vram_used_mb: float | None
    vram_total_mb: float | None
    gpus: int


class _Figures:
    """Sums over one walk."""

    def __init__(self) -> None:
        self.tokens: list[float | None] = []
        self.util: list[float | None] = []
        self.used: list[float | None] = []
        self.total: list[float | None] = []


class HiveSource:
    """Walks over the registry. The clocks: ``now`` of the registry, ``at`` in Unix seconds."""

    def __init__(
        self,
        colony: Colony,
        *,
        running: Callable[[str], int] = lambda _worker_id: 0,
        route: Callable[[HiveEntry], HiveRoute] = lambda _entry: "direct",
        standing: Callable[[str], Standing | None] = lambda _hive_id: None,
        watcher: Watcher | None = None,
    ) -> None:
        """``running`` counts the queen's requests with a worker."""
        self._colony = colony
        self._watcher = watcher or Watcher()
        self._running = running
        self._route = route
        self._standing = standing
        self._steady = Steady()
        self._idle = Steady()
        self._catalogues: dict[HiveId, tuple[list[Model], dict[str, bytes]]] = {}
        self._models: Rows = {}

    async def look(self) -> list[Happening]:
        """What happened since the last look."""
        said: list[Happening] = []
        pace = _Pace()
        there: set[str] = set()
        for entry in self._colony.entries():
            await pace.step(1 + len(entry.workers))
            said += self._watcher.look(entry)
            there.add(str(entry.id))
        return said + self._watcher.gone(there)

    async def public_hives(self, now: float, at: float) -> Rows:
        """``hives`` for who may not know how they belong to the colony."""
        hives: dict[str, bytes] = {}
        pace = _Pace()
        for entry in self._colony.entries():
            await pace.step(1)
            hives[str(entry.id)] = self._hive(entry, now, at, standing=None)
        return hives

    async def slow(self, now: float, at: float) -> dict[str, Rows]:
        """``hives`` and ``workers``: what changes at a moment, and is told at once."""
        hives: dict[str, bytes] = {}
        workers: dict[str, bytes] = {}
        pace = _Pace()
        for entry in self._colony.entries():
            await pace.step(1 + len(entry.workers))
            hives[str(entry.id)] = self._hive(entry, now, at, self._standing(str(entry.id)))
            self._workers_of(entry, at, workers)
        self._steady.sweep()
        return {"hives": hives, "workers": workers}

    async def full(self, now: float, at: float) -> HiveTables:
        """All tables of the hives, and the sums over them."""
        tables: dict[str, dict[str, bytes]] = {
            name: {} for name in ("hives", "nodes", "workers", "loads", "downloads")
        }
        figures, pace = _Figures(), _Pace()
        entries = self._colony.entries()
        for entry in entries:
            await pace.step(2 + 2 * len(entry.workers))
            hive_id = str(entry.id)
            tables["hives"][hive_id] = self._hive(entry, now, at, self._standing(str(entry.id)))
            if entry.beat_at is not None:
                row = node_row(entry, at - (now - entry.beat_at))
                tables["nodes"][hive_id] = _encode(row)
            self._workers_of(entry, at, tables["workers"])
            self._loads_of(entry, at, tables["loads"])
            for download in entry.downloads:
                key = f"{hive_id}/{download.model}"
                tables["downloads"][key] = _encode(download_row(download, hive_id))
            _add(figures, entry)
        self._steady.sweep()
        self._idle.sweep()
        return HiveTables(
            tables={**tables, "models": self._all_models(entries)},
            tokens_per_s=known_sum(figures.tokens),
            gpu_util_pct=known_mean(figures.util),
            vram_used_mb=known_sum(figures.used),
            vram_total_mb=known_sum(figures.total),
            gpus=len(figures.util),
        )

    # ── inside ───────────────────────────────────────────────────────────────

    def _hive(self, entry: HiveEntry, now: float, at: float, standing: Standing | None) -> bytes:
        joined_at = self._steady.moment(f"h/{entry.id}", now - entry.joined_at, at)
        return _encode(
            hive_row(
                entry,
                route=self._route(entry),
                standing=standing,
                joined_at=at if joined_at is None else joined_at,
            )
        )

    def _workers_of(self, entry: HiveEntry, at: float, into: dict[str, bytes]) -> None:
        for worker_id, worker in entry.workers.items():
            stats = worker.shown
            into[worker_id] = _encode(
                worker_row(
                    stats,
                    str(entry.id),
                    serving=self._colony.is_serving(worker_id),
                    route=self._colony.route(worker_id),
                    started_at=self._steady.moment(
                        f"w/{worker_id}/{stats.generation}", stats.uptime_s, at
                    ),
                )
            )

    def _loads_of(self, entry: HiveEntry, at: float, into: dict[str, bytes]) -> None:
        for worker_id, worker in entry.workers.items():
            stats = worker.stats
            idle_since = self._idle.moment(worker_id, stats.idle_s, at)
            running = self._running(worker_id)
            into[worker_id] = _encode(load_row(stats, running=running, idle_since=idle_since))

    def _all_models(self, entries: list[HiveEntry]) -> Rows:
        """The same mapping as before while no catalogue was told anew."""
        catalogues: dict[HiveId, tuple[list[Model], dict[str, bytes]]] = {}
        for entry in entries:
            if entry.models is None:
                continue
            kept = self._catalogues.get(entry.id)
            if kept is None or kept[0] is not entry.models:
                kept = (entry.models, _catalogue(entry.models, str(entry.id)))
            catalogues[entry.id] = kept
        if catalogues.keys() != self._catalogues.keys() or any(
            self._catalogues[hive_id] is not kept for hive_id, kept in catalogues.items()
        ):
            self._models = {
                key: row for _, rows in catalogues.values() for key, row in rows.items()
            }
        self._catalogues = catalogues
        return self._models


class _Pace:
    """Lets others have the loop after every so many rows."""

    def __init__(self) -> None:
        self._rows = 0

    async def step(self, rows: int) -> None:
        self._rows += rows
        if self._rows >= ROWS_AT_ONCE:
            self._rows = 0
            await anyio.lowlevel.checkpoint()


def _catalogue(models: list[Model], hive_id: str) -> dict[str, bytes]:
    return {f"{hive_id}/{model.id}": _encode(model_row(model, hive_id)) for model in models}


def _add(figures: _Figures, entry: HiveEntry) -> None:
    """Count a hive's figures in; those of a silent hive are no longer true."""
    if entry.state != "fresh":
        figures.util += [None] * len(entry.node.gpus)
        return
    for gpu in entry.node.gpus:
        figures.util.append(gpu.util_pct)
        figures.used.append(gpu.vram_used_mb)
        figures.total.append(gpu.vram_total_mb)
    figures.tokens += [worker.stats.tokens_per_s for worker in entry.workers.values()]
