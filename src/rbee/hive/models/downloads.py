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
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import anyio
import anyio.to_thread
import msgspec
from anyio.abc import TaskGroup

from rbee.contracts.aliases import known_names, resolve_alias
from rbee.contracts.models import DownloadProgress, Model
from rbee.errors import CorruptModel, ModelNotFound, RbeeError, ShuttingDown
from rbee.foundation import logs
from rbee.foundation.pace import make_pace
from rbee.hive.models.bringing import bring_model
from rbee.hive.models.catalog import Catalog
from rbee.hive.models.hub import HubSettings, find_on_hub, hub_settings
from rbee.hive.models.local import add_all_local, add_local, looks_like_path
from rbee.hive.models.offer import offer_of
from rbee.hive.models.package import (
    STARTER_PACKAGE,
    PackagedModel,
    installed_file,
    packaged,
)
from rbee.hive.models.partial import out_of_order
from rbee.hive.models.pick import Judge
from rbee.hive.models.rate import Rate
from rbee.hive.models.room import make_room
from rbee.hive.models.wanted import Colony, Phase, Say, Wanted

PARALLEL_DEFAULT: Final = 2  # more share one line and one disk, and all get later

_log = logs.get(__name__)

Progress = Callable[[DownloadProgress], None]


class DownloadLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How many at once, how fast together, and what all models may take. Null: no limit."""

    parallel_max: int = PARALLEL_DEFAULT
    rate_max_mb_s: float | None = None
    quota_bytes: int | None = None


class _Shared:
    """One running download and those who wait for it."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.has_room = False
        self.scope = anyio.CancelScope()
        self.ended = anyio.Event()
        self.listeners: list[tuple[Progress, Say]] = []
        self.last: DownloadProgress | None = None
        self.model: Model | None = None
        self.error: RbeeError | None = None
        self._rate = Rate()

    def report(self, have: int, total: int | None, phase: Phase) -> None:
        """Tell the listeners, at most five times a second and at every new phase."""
        now = time.monotonic()
        self._rate.add(have, now)
        self.last = self._rate.progress(have, total, phase)
        if self._rate.due(phase, now) or (phase == "download" and have == total):
            for on_progress, _ in list(self.listeners):
                on_progress(self.last)

    def say(self, text: str) -> None:
        for _, on_message in list(self.listeners):
            on_message(text)


class Downloads:
    """The coordinator. Use as ``async with Downloads(catalog) as downloads``.

    ``hub`` and ``environ`` are read at each request, so a token that was set
    later counts. ``starter`` is the model behind the name ``starter``. ``loaded``
    are the models that must stay; ``judge`` gives, at a moment, who says what fits.
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
    ) -> None:
        self._catalog = catalog
        self._hub = hub
        self._environ = environ
        self._starter = starter
        self._on_change = on_change
        self._running: dict[str, _Shared] = {}
        self._limits = limits or DownloadLimits()
        self._loaded = loaded
        self._judge = judge
        self._colony = colony
        self._pace = make_pace(self._limits.rate_max_mb_s)
        self._clearing = anyio.Lock()  # two downloads must not count the same room
        self._turns = anyio.Semaphore(self._limits.parallel_max)
        self._group: TaskGroup | None = None

    async def __aenter__(self) -> Self:
        await anyio.to_thread.run_sync(self._catalog.sweep)
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

    async def ensure(
        self,
        name: str,
        on_progress: Progress = lambda _: None,
        on_message: Say = lambda _: None,
        *,
        from_hive: str | None = None,
    ) -> Model:
        """Have the model that ``name`` means, from here or from its source.

        Both callbacks are called on the loop's thread. Cancelling this call
        leaves a download to the others who wait for it. With ``from_hive`` it comes
        from that hive, or another that has the same file, and never from outside.

        Raises:
            ModelNotFound, NoUsableFile, GatedRepository, HubError: the source.
            DiskFull, StorageError, CorruptModel: the disk and the file.
            InvalidRequest: a path that is no model. ShuttingDown: the hive goes.
        """
        here = await anyio.to_thread.run_sync(self._catalog.resolve, name)
        if here is not None and here.status == "available":
            return here
        if looks_like_path(name):
            model = await anyio.to_thread.run_sync(add_local, self._catalog, name)
            self._on_change()
            return model
        wanted = await self._source(name, here, from_hive, on_message)
        present = await anyio.to_thread.run_sync(self._present, wanted, name)
        return present or await self._share(wanted, on_progress, on_message)

    async def offer(self, name: str) -> Model:
        """What ``name`` means here or at its source outside; nothing is fetched but a header.

        Raises:
            ModelNotFound, NoUsableFile, GatedRepository, HubError: the source.
        """
        here = await anyio.to_thread.run_sync(self._catalog.resolve, name)
        if here is not None and here.status == "available":
            return here
        return await offer_of(await self._find(name, here, lambda _: None))

    async def take_in(self, name: str) -> list[Model]:
        """Catalogue the file, or all models of the folder, at a path; nothing is copied.

        Raises:
            ModelNotFound, InvalidRequest, CorruptModel, StorageError: as ``add_all_local``.
        """
        models = await anyio.to_thread.run_sync(add_all_local, self._catalog, name)
        self._on_change()
        return models

    async def _source(
        self, name: str, here: Model | None, from_hive: str | None, say: Say
    ) -> Wanted:
        """The colony before the sources outside, unless nothing has to come at all."""
        exact = here.id if here is not None else name
        if self._colony is not None and not self._at_hand(exact):

            async def outside(model_id: str) -> Wanted:
                return await self._find(model_id, None, say)

            found = await self._colony.find(exact, from_hive, outside, say)
            if found is not None:
                return found if from_hive else _also_called(found, (name,))
        if from_hive is not None:
            raise ModelNotFound(f"The hive {from_hive} gives no model {name!r}.", param="$.model")
        return await self._find(name, here, say)

    def _at_hand(self, name: str) -> bool:
        """Whether the model lies in a package of this machine."""
        source = resolve_alias(name)
        packaged_here = name == self._starter.id or (source and source.kind == "package")
        return bool(packaged_here) and installed_file(self._starter) is not None

    async def _find(self, name: str, here: Model | None, say: Say) -> Wanted:
        """Which source has it. Where a part of it is ``here``, that exact file goes on."""
        exact = here.id if here is not None else name
        source = resolve_alias(exact)
        if exact == self._starter.id or (source is not None and source.kind == "package"):
            if self._environ is None:
                return packaged(self._starter)
            return packaged(self._starter, self._environ)
        judge = self._judge() if self._judge is not None else None
        wanted = await find_on_hub(exact, self._hub(), say, judge)
        if wanted is None:
            raise _unknown(name, here)
        if here is None:
            return wanted
        return _also_called(wanted, here.aliases)

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
            shared = self._running[wanted.id] = _Shared(wanted)
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
                shared.scope.cancel()
        if shared.error is not None:
            raise shared.error
        if shared.model is None:
            raise ShuttingDown("The download was stopped with the hive; it can go on later.")
        return shared.model

    async def _run(self, shared: _Shared) -> None:
        """A download from its turn to its end; it never raises into the group."""
        try:
            with shared.scope:
                if self._turns.statistics().tasks_waiting or not self._turns.value:
                    shared.say(f"Waiting: {self._limits.parallel_max} other downloads are running.")
                async with self._turns:
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
            shared.ended.set()
            self._on_change()

    async def _bring(self, shared: _Shared) -> Model:
        """Bring it; the colony knows of it meanwhile, so that no other hive does the same."""
        wanted = shared.wanted
        if self._colony is None or self._group is None or self._at_hand(wanted.id):
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

    async def _make_room(self, shared: _Shared) -> None:
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


def _unknown(name: str, here: Model | None) -> RbeeError:
    """No source has it; where it is here all the same, it is damaged."""
    if here is not None:
        return CorruptModel(
            f"{here.id} cannot be used: {here.reason}.",
            remedy=f"Repair the file, or delete the entry: `rbee model delete {here.id}`.",
        )
    return ModelNotFound(
        f"No model is called {name!r}.",
        remedy=f"Give `org/repo`, a path, or one of: {', '.join(known_names())}.",
        param="$.model",
    )


def _also_called(wanted: Wanted, names: Iterable[str]) -> Wanted:
    """The same under more names."""
    more = (name.strip() for name in names if name.strip().casefold() != wanted.id.casefold())
    return msgspec.structs.replace(wanted, aliases=tuple(dict.fromkeys([*wanted.aliases, *more])))


async def fetch_starter(models: Path, on_progress: Progress = lambda _: None) -> Path:
    """Have the starter in the catalogue at ``models``; its file. For tests and tools.

    Raises:
        RbeeError: as ``Downloads.ensure``.
    """
    catalog = Catalog(models)
    async with Downloads(catalog) as downloads:
        model = await downloads.ensure(STARTER_PACKAGE.id, on_progress)
    return catalog.file_of(model.id)
