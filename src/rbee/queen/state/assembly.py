"""The state stream put together from the queen's other parts, which know nothing of it."""

import os
import secrets
import socket
from collections.abc import Callable, Mapping
from typing import NamedTuple

import psutil

from rbee import __version__
from rbee.contracts.state import HiveRoute
from rbee.foundation.jobserver import JobServer
from rbee.queen.hooks import Hooks
from rbee.queen.inference.ledger import Ledger
from rbee.queen.joining.office import Office
from rbee.queen.keys.book import KeyBook
from rbee.queen.registry.colony import Colony
from rbee.queen.registry.hives import HiveEntry
from rbee.queen.scheduling.demand import Demand
from rbee.queen.state.events import Events
from rbee.queen.state.happenings import Happening
from rbee.queen.state.publisher import Publisher
from rbee.queen.state.rows import Standing
from rbee.queen.state.sampler import Counts, Herself, Parts, Sampler
from rbee.queen.state.sources import HiveSource
from rbee.queen.tally import Tally

_SERVERS_FAULT = 500
_MIB = 1024 * 1024


class Watched(NamedTuple):
    """What the stream reads. ``linked`` says whether a hive's link is up."""

    colony: Colony
    demand: Demand
    ledger: Ledger
    tally: Tally
    jobs: JobServer
    office: Office
    linked: Callable[[str], bool]
    running: Callable[[], Mapping[str, int]]


def make_publisher(watched: Watched, wall_clock: Callable[[], float]) -> Publisher:
    """The stream over these parts. Run it beside the server."""
    colony, boot = watched.colony, secrets.token_hex(4)
    events = Events(clock=wall_clock)
    counting = _Counting(watched)
    source = HiveSource(
        colony,
        running=lambda worker_id: watched.running().get(worker_id, 0),
        route=_routes(watched),
        standing=_standings(watched.office),
    )
    parts = Parts(
        hives=source,
        events=events,
        herself=Herself(__version__, boot, socket.gethostname(), wall_clock()),
        counts=counting,
        glances=watched.ledger.glances,
        jobs=watched.jobs.list,
        joins=watched.office.requests,
    )
    news = _News(watched)

    async def look() -> list[Happening]:
        return [*await source.look(), *news()]

    publisher = Publisher(Sampler(parts), events, look, boot=boot, wall_clock=wall_clock)
    counting.streams = lambda: publisher.watching
    colony.subscribe(publisher.nudge)
    watched.demand.subscribe(publisher.nudge)
    events.note("info", "queen_started", "queen", f"The queen {__version__} has started.")
    return publisher


def hear_of_keys(publisher: Publisher, keys: KeyBook) -> None:
    """Tell of keys that come and go; a revoked one watches no longer."""

    def made(_key_id: str, name: str, by: str) -> None:
        publisher.events.note("info", "key_made", name, f"{by} made the key {name}.")

    def gone(key_id: str) -> None:
        publisher.drop(key_id)
        publisher.events.note("warning", "key_revoked", key_id, f"The key {key_id} was revoked.")

    keys.on_made.append(made)
    keys.on_gone.append(gone)


def hear_of_placement(publisher: Publisher, hooks: Hooks) -> None:
    """Tell of what the reconciler does, behind whoever is told of it already."""
    on_spawn, on_evict = hooks.on_spawn, hooks.on_evict
    note = publisher.events.note

    def spawned(model: str, ok: bool, seconds: float) -> None:
        on_spawn(model, ok, seconds)
        if not ok:
            text = f"A worker for {model} could not be started; `rbee logs` of its hive says why."
            note("error", "spawn_failed", model, text)

    def evicted(model: str, reason: str) -> None:
        on_evict(model, reason)
        note("info", "model_evicted", model, f"A worker of {model} was told to go: {reason}.")

    hooks.on_spawn, hooks.on_evict = spawned, evicted


class _Counting:
    """The colony's counts, and the queen's own process."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._process = psutil.Process(os.getpid())
        self._process.cpu_percent()  # the first call begins the first interval
        self.streams: Callable[[], int] = lambda: 0

    def __call__(self) -> Counts:
        colony, tally = self._watched.colony, self._watched.tally
        entries = colony.entries()
        statuses = [
            (status, count) for row in tally.rows() for status, count in row.statuses.items()
        ]
        return Counts(
            waiting=self._watched.demand.total,
            running=sum(self._watched.running().values()),
            requests_total=sum(count for _, count in statuses),
            requests_failed_total=sum(n for status, n in statuses if status >= _SERVERS_FAULT),
            hives=len(entries),
            hives_available=sum(entry.state == "fresh" for entry in entries),
            workers=sum(len(entry.workers) for entry in entries),
            workers_available=sum(
                colony.is_serving(worker_id) for entry in entries for worker_id in entry.workers
            ),
            models=len(colony.models()),
            cpu_pct=self._process.cpu_percent(),
            rss_mb=self._process.memory_info().rss / _MIB,
            streams=self.streams(),
        )


class _News:
    """What is new beside the registry: failed requests, hives at the door."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._asking: set[str] = set()

    def __call__(self) -> list[Happening]:
        said: list[Happening] = []
        failed = self._watched.ledger.failed
        while failed:
            job_id, model, outcome = failed.popleft()
            text = f"A request for {model} {outcome}"
            said.append(Happening("warning", "request_failed", job_id, text))
        asking = {row.code: row for row in self._watched.office.requests()}
        for code in asking.keys() - self._asking:
            row = asking[code]
            text = f"{row.hive_id} at {row.address} asks to join (code {code})."
            said.append(Happening("info", "join_asked", row.hive_id, text, row.hive_id))
        self._asking = set(asking)
        return said


def _routes(watched: Watched) -> Callable[[HiveEntry], HiveRoute]:
    def route(entry: HiveEntry) -> HiveRoute:
        if entry.local:
            return "local"
        return "link" if watched.linked(str(entry.id)) else "direct"

    return route


def _standings(office: Office) -> Callable[[str], Standing]:
    """How hives belong to the colony; a look-up, since it is asked for each of them."""

    def standing(hive_id: str) -> Standing:
        row = office.member(hive_id)
        if row is None:
            return _OPEN
        if row.revoked_at is not None:
            return _REVOKED
        return Standing("certificate", row.expires_at)

    return standing


_OPEN = Standing("open")
_REVOKED = Standing("revoked")
