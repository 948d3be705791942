"""Bring models to this machine: one download per model, however many ask.

The hive's operations call ``ensure``; it answers with a model that is here.
What is missing comes from the source that the name means: a path on disk, the
starter's package, the hub. Requests for one model share its download: each sees
the progress, and only when the last of them has left is it cancelled. What was
fetched by then stays in ``<id>.part``, and the next request goes on from it.

All state belongs to the event loop's thread; downloads run in a task group that
the hive holds open (``async with``), so none outlives it.
"""

import time
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import anyio
import anyio.to_thread
import msgspec
from anyio.abc import TaskGroup

from rbee.contracts.models import Download, Model
from rbee.errors import Conflict, ModelNotFound, RbeeError, ShuttingDown
from rbee.foundation import logs
from rbee.foundation.pace import make_pace
from rbee.hive.models.bringing import bring_model
from rbee.hive.models.catalog import Catalog
from rbee.hive.models.download_book import ENTRIES_MAX, DownloadBook, Entry
from rbee.hive.models.hub import HubSettings, hub_settings
from rbee.hive.models.local import add_all_local, add_local, looks_like_path
from rbee.hive.models.offer import offer_of
from rbee.hive.models.package import STARTER_PACKAGE, PackagedModel
from rbee.hive.models.partial import out_of_order
from rbee.hive.models.pick import Judge
from rbee.hive.models.room import make_room
from rbee.hive.models.shared_download import Progress, SharedDownload
from rbee.hive.models.sources import Sources
from rbee.hive.models.wanted import Colony, Say, Wanted

PARALLEL_DEFAULT: Final = 2  # more share one line and one disk, and all get later

STOPPED: Final = "Stopped on the way; resuming goes on from there."

_log = logs.get(__name__)


class DownloadLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How many at once, how fast together, and what all models may take. Null: no limit."""

    parallel_max: int = PARALLEL_DEFAULT
    rate_max_mb_s: float | None = None
    quota_bytes: int | None = None


class Downloads:
    """The coordinator. Use as ``async with Downloads(catalog) as downloads``.

    ``hub`` and ``environ`` are read at each request, so a token that was set
    later counts. ``starter`` is the model behind the name ``starter``. ``loaded``
    are the models that must stay; ``judge`` gives, at a moment, who says what fits.
    ``book`` is the file in which downloads are kept that have not ended.
    """

    def __init__(
        self,
        catalog: Catalog,
        *,
        hub: Callable[[], HubSettings] = hub_settings,
        environ: Mapping[str, str] | None = None,
        starter: PackagedModel = STARTER_PACKAGE,
        on_change: Callable[[], None] = lambda: None,
        limits: DownloadLimits | None = None,
        loaded: Callable[[], Collection[str]] = frozenset[str],
        judge: Callable[[], Judge] | None = None,
        colony: Colony | None = None,
        book: Path | None = None,
    ) -> None:
        self._catalog = catalog
        self._sources = Sources(
            hub=hub, environ=environ, starter=starter, judge=judge, colony=colony
        )
        self._book = DownloadBook(book)
        self._on_change = on_change
        self._running: dict[str, SharedDownload] = {}
        self._limits = limits or DownloadLimits()
        self._loaded = loaded
        self._colony = colony
        self._pace = make_pace(self._limits.rate_max_mb_s)
        self._clearing = anyio.Lock()  # two downloads must not count the same room
        self._turns = anyio.Semaphore(self._limits.parallel_max)
        self._group: TaskGroup | None = None

    async def __aenter__(self) -> Self:
        await anyio.to_thread.run_sync(self._catalog.sweep)
        await anyio.to_thread.run_sync(self._book.load)
        group = anyio.create_task_group()
        await group.__aenter__()
        self._group = group
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        group, self._group = self._group, None
        if group is not None:
            group.cancel_scope.cancel()
            await group.__aexit__(kind, error, trace)

    @property
    def active(self) -> frozenset[str]:
        """The ids that are being downloaded now."""
        return frozenset(self._running)

    def rows(self) -> list[Download]:
        """All that are on their way, waiting, paused or failed, as beats tell them."""
        rows: list[Download] = []
        waiting = 0
        for shared in self._running.values():
            waiting += not shared.has_turn
            rows.append(shared.row(waiting))
        rows += [one.row() for one in self._book.all() if one.model not in self._running]
        return rows[:ENTRIES_MAX]

    async def ensure(
        self,
        name: str,
        on_progress: Progress = lambda _: None,
        on_message: Say = lambda _: None,
        *,
        from_hive: str | None = None,
        by_person: bool = True,
    ) -> Model:
        """Have the model that ``name`` means, from here or from its source.

        Both callbacks are called on the loop's thread. Cancelling this call
        leaves a download to the others who wait for it. With ``from_hive`` it comes
        from that hive, or another that has the same file, and never from outside.
        One that a person paused goes on when a person asks (``by_person``), else not.

        Raises:
            ModelNotFound, NoUsableFile, GatedRepository, HubError: the source.
            Conflict: it is paused, or was paused or cancelled meanwhile.
            DiskFull, StorageError, CorruptModel: the disk and the file.
            InvalidRequest: a path that is no model. ShuttingDown: the hive goes.
        """
        here = await anyio.to_thread.run_sync(self._catalog.resolve, name)
        if here is not None and here.status == "available":
            await self._book.drop(here.id)
            return here
        if looks_like_path(name):
            model = await anyio.to_thread.run_sync(add_local, self._catalog, name)
            self._on_change()
            return model
        wanted = await self._sources.find(name, here, from_hive, on_message)
        entry = self._book.get(wanted.id)
        if entry is not None and entry.held and not by_person:
            raise _paused(wanted.id)
        present = await anyio.to_thread.run_sync(self._present, wanted, name)
        return present or await self._share(wanted, on_progress, on_message)

    async def pause(self, name: str) -> Download:
        """Stop a download and keep what has come; the row that stays.

        Raises:
            ModelNotFound: nothing of this name is on its way.
        """
        entry, shared = self._on_its_way(name)
        if shared is not None:
            shared.stop(_paused(entry.model))
            await shared.ended.wait()
        entry.state, entry.held = "paused", True
        entry.reason = entry.remedy = None
        await self._book.put(entry)
        self._on_change()
        return entry.row()

    async def resume(
        self, name: str, on_progress: Progress = lambda _: None, on_message: Say = lambda _: None
    ) -> Model:
        """Go on with a download that is paused or has failed, as it was asked for.

        Raises:
            ModelNotFound: nothing of this name is on its way. RbeeError: as ``ensure``.
        """
        entry, _ = self._on_its_way(name)
        return await self.ensure(entry.model, on_progress, on_message, from_hive=entry.from_hive)

    async def cancel(self, name: str) -> tuple[str, int]:
        """Give a download up; its model's id, and the bytes that this freed.

        Raises:
            ModelNotFound: nothing of this name is on its way.
            StorageError: what has come cannot be deleted.
        """
        entry, shared = self._on_its_way(name)
        if shared is not None:
            shared.stop(Conflict(f"The download of {entry.model} was cancelled."))
            await shared.ended.wait()
        freed = await anyio.to_thread.run_sync(self._catalog.drop_part, entry.model)
        await self.forget(entry.model)
        return entry.model, freed

    async def forget(self, model_id: str) -> None:
        """Nothing is left to go on with."""
        await self._book.drop(model_id)
        self._on_change()

    def _on_its_way(self, name: str) -> tuple[Entry, SharedDownload | None]:
        entry = self._book.find(name)
        if entry is None:
            raise ModelNotFound(
                f"No model called {name!r} is on its way here.",
                remedy="`rbee model list` shows what is; `rbee model download` begins.",
                param="$.model",
            )
        return entry, self._running.get(entry.model)

    async def offer(self, name: str) -> Model:
        """What ``name`` means here or at its source outside; nothing is fetched but a header.

        Raises:
            ModelNotFound, NoUsableFile, GatedRepository, HubError: the source.
        """
        here = await anyio.to_thread.run_sync(self._catalog.resolve, name)
        if here is not None and here.status == "available":
            return here
        return await offer_of(await self._sources.outside(name, here, lambda _: None))

    async def take_in(self, name: str) -> list[Model]:
        """Catalogue the file, or all models of the folder, at a path; nothing is copied.

        Raises:
            ModelNotFound, InvalidRequest, CorruptModel, StorageError: as ``add_all_local``.
        """
        models = await anyio.to_thread.run_sync(add_all_local, self._catalog, name)
        self._on_change()
        return models

    def _present(self, wanted: Wanted, asked: str) -> Model | None:
        """The model, if it turned out to be here under another name."""
        model = self._catalog.resolve(wanted.id)
        if model is None or model.id != wanted.id or model.status != "available":
            return None
        self._catalog.add_alias(model.id, asked.strip())
        return self._catalog.resolve(wanted.id)

    async def _share(self, wanted: Wanted, on_progress: Progress, on_message: Say) -> Model:
        """Join the model's download, or start it."""
        while (shared := self._running.get(wanted.id)) and shared.scope.cancel_called:
            await shared.ended.wait()
        if shared is None:
            if self._group is None:
                raise ShuttingDown("The hive is stopping: no download starts.")
            shared = self._running[wanted.id] = SharedDownload(wanted, self._entry(wanted))
            self._group.start_soon(self._run, shared)
        listener = (on_progress, on_message)
        shared.listeners.append(listener)
        if shared.last is not None:
            on_progress(shared.last)
        try:
            await shared.ended.wait()
        finally:
            shared.listeners.remove(listener)
            if not shared.listeners and not shared.ended.is_set():
                shared.stop()
        if shared.error is not None:
            raise shared.error
        if shared.model is None:
            raise ShuttingDown("The download was stopped with the hive; it can go on later.")
        return shared.model

    def _entry(self, wanted: Wanted) -> Entry:
        """Its line in the book; who asked for it first stands in line first."""
        earlier = self._book.get(wanted.id)
        entry = Entry(
            model=wanted.id,
            name=wanted.name or wanted.id,
            state="running",
            since=time.time() if earlier is None else earlier.since,
            source=wanted.source,
            from_hive=wanted.from_hive,
            bytes=0 if earlier is None else earlier.bytes,
            total=wanted.size_bytes,
        )
        self._book.enter(entry)
        return entry

    async def _run(self, shared: SharedDownload) -> None:
        """A download from its turn to its end; it never raises into the group."""
        try:
            with shared.scope:
                await self._book.put(shared.entry)
                if self._turns.statistics().tasks_waiting or not self._turns.value:
                    shared.say(f"Waiting: {self._limits.parallel_max} other downloads are running.")
                async with self._turns:
                    shared.has_turn = True
                    self._on_change()
                    await self._make_room(shared)
                    shared.model = await self._bring(shared)
        except RbeeError as error:
            shared.error = error
        except OSError as error:
            shared.error = out_of_order(self._catalog.root, error)
        except Exception as error:  # noqa: BLE001  a task ends here: its fault ends no hive
            _log.exception("download_failed", model=shared.wanted.id)
            shared.error = RbeeError(f"The download of {shared.wanted.id} failed: {error!r}.")
        finally:
            del self._running[shared.wanted.id]
            with anyio.CancelScope(shield=True):
                await self._close(shared)
            shared.ended.set()
            self._on_change()

    async def _close(self, shared: SharedDownload) -> None:
        """What stays in the book of a download that ended; the hive's own end changes nothing."""
        entry, stopped = shared.note(), shared.scope.cancel_called
        if shared.model is not None or (stopped and not entry.bytes):
            await self._book.drop(entry.model)
        elif stopped:
            entry.state, entry.reason = "paused", STOPPED
            await self._book.put(entry)
        elif shared.error is not None:
            entry.state, entry.reason = "failed", shared.error.message
            entry.remedy = shared.error.remedy
            await self._book.put(entry)

    async def _bring(self, shared: SharedDownload) -> Model:
        """Bring it; the colony knows of it meanwhile, so that no other hive does the same."""
        wanted = shared.wanted
        if self._colony is None or self._group is None or self._sources.at_hand(wanted.id):
            return await bring_model(self._catalog, wanted, shared.report, shared.say, self._pace)
        turn, arrived = self._colony.turn(wanted, shared.say), False
        self._group.start_soon(turn.keep)
        try:
            wanted = msgspec.structs.replace(wanted, bring=turn.bring)
            model = await bring_model(
                self._catalog, wanted, shared.report, shared.say, self._pace, turn.blame
            )
            arrived = True
        finally:
            await turn.end(arrived=arrived)
        return model

    async def _make_room(self, shared: SharedDownload) -> None:
        """Remove what is used least where the quota asks for it, and say so."""
        quota = self._limits.quota_bytes
        if quota is None:
            return
        async with self._clearing:
            shared.has_room = True
            coming = [one.wanted for one in self._running.values() if one.has_room]
            make = partial(
                make_room,
                self._catalog,
                coming,
                quota,
                loaded=self._loaded,
                active=self.active,
            )
            for sentence in await anyio.to_thread.run_sync(make):
                _log.info("removed for room", reason=sentence)
                shared.say(sentence)


def _paused(model_id: str) -> Conflict:
    return Conflict(
        f"The download of {model_id} is paused.",
        remedy=f"`rbee model resume {model_id}` has it go on.",
    )


async def fetch_starter(models: Path, on_progress: Progress = lambda _: None) -> Path:
    """Have the starter in the catalogue at ``models``; its file. For tests and tools.

    Raises:
        RbeeError: as ``Downloads.ensure``.
    """
    catalog = Catalog(models)
    async with Downloads(catalog) as downloads:
        model = await downloads.ensure(STARTER_PACKAGE.id, on_progress)
    return catalog.file_of(model.id)
