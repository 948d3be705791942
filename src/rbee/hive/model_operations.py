"""The job operations about models: have one here, list, show, pin and delete them.

``operations`` decodes and routes; a spawn asks here for its model too. What is on
disk is the catalogue's answer, what comes is the matter of ``models/downloads``;
this file speaks the words of the contract.
"""

from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import TypeAlias

import anyio.to_thread

from rbee.contracts.ids import HiveId
from rbee.contracts.jobs import (
    ModelCancel,
    ModelDelete,
    ModelDownload,
    ModelGet,
    ModelPause,
    ModelPin,
    ModelResume,
)
from rbee.contracts.models import Download, DownloadProgress, Model
from rbee.foundation.jobserver import Job
from rbee.hive.models.catalog import Catalog
from rbee.hive.models.downloads import Downloads
from rbee.hive.models.local import looks_like_path
from rbee.hive.workers.roster import Roster

ModelOperation: TypeAlias = (
    ModelDownload | ModelPause | ModelResume | ModelCancel | ModelGet | ModelDelete | ModelPin
)


class ModelOperations:
    """The models of one hive.

    ``scripted`` answers for names that a script serves, ``learned`` adds to a row
    what was measured of its workers here.
    """

    def __init__(
        self,
        hive_id: HiveId,
        *,
        catalog: Catalog,
        downloads: Downloads,
        roster: Roster,
        scripted: Callable[[str], Model | None],
        learned: Callable[[Model], Model],
    ) -> None:
        self._hive_id = hive_id
        self._catalog = catalog
        self._downloads = downloads
        self._roster = roster
        self._scripted = scripted
        self._learned = learned
        self._claimed: Counter[str] = Counter()

    @contextmanager
    def claim(self, model_id: str) -> Generator[None]:
        """Keep a model from being removed while a worker of it is only being ordered."""
        self._claimed[model_id] += 1
        try:
            yield
        finally:
            self._claimed[model_id] -= 1

    def loaded(self) -> set[str]:
        """The models that workers hold, and those that one is about to."""
        return self._roster.loaded() | set(+self._claimed)

    def rows(self) -> list[Model]:
        """The catalogue; blocking, some ms."""
        return self._catalog.list(loaded=self._roster.loaded(), active=self._downloads.active)

    def downloads(self) -> list[Download]:
        """All that are on their way here."""
        return self._downloads.rows()

    async def do(self, operation: ModelOperation, job: Job) -> None:
        """Do what was asked, told by ``job``.

        Raises:
            RbeeError: as the operation's own.
        """
        match operation:
            case ModelDownload():
                await self.download(operation.model, job, operation.from_hive)
            case ModelPause():
                await self._pause(operation.model, job)
            case ModelResume():
                await self._resume(operation.model, job)
            case ModelCancel():
                await self._cancel(operation.model, job)
            case ModelGet():
                await self.show(operation, job)
            case ModelDelete():
                await self.delete(operation, job)
            case ModelPin():
                await self.pin(operation, job)

    async def offer(self, name: str) -> Model:
        """What a name would bring; nothing is fetched."""
        return await self._downloads.offer(name)

    async def download(self, name: str, job: Job, from_hive: str | None = None) -> None:
        """Fetch a model, or take in a file or all files of a folder where they lie."""
        if not looks_like_path(name):
            await self.ensure(name, job, only_if_missing=False, from_hive=from_hive)
            return
        job.emit("model_download_start", f"Looking for {name}.")
        for model in await self._downloads.take_in(name):
            job.emit("model_download_complete", f"{model.id} is here.", type="data", data=model)

    async def ensure(
        self, name: str, job: Job, *, only_if_missing: bool, from_hive: str | None = None
    ) -> Model:
        """Have the model here, telling the job of a download (and, if wanted, of none)."""
        here = await anyio.to_thread.run_sync(self._catalog.resolve, name)
        loud = not only_if_missing or here is None or here.status != "available"
        if loud:
            job.emit("model_download_start", f"Looking for {name}.")
        on_progress, on_message = _tellers(job)
        model = await self._downloads.ensure(
            name,
            on_progress,
            on_message,
            from_hive=from_hive,
            by_person=not only_if_missing,
        )
        if loud:
            job.emit("model_download_complete", f"{model.id} is here.", type="data", data=model)
        return model

    async def _pause(self, name: str, job: Job) -> None:
        row = await self._downloads.pause(name)
        words = f"The download of {row.model} is paused after {row.bytes / 1e6:,.1f} MB."
        job.emit("model_pause_complete", words, type="data", data=row)

    async def _resume(self, name: str, job: Job) -> None:
        job.emit("model_download_start", f"Going on with {name}.")
        model = await self._downloads.resume(name, *_tellers(job))
        job.emit("model_download_complete", f"{model.id} is here.", type="data", data=model)

    async def _cancel(self, name: str, job: Job) -> None:
        model_id, freed = await self._downloads.cancel(name)
        job.emit(
            "model_cancel_complete",
            f"The download of {model_id} is cancelled; {freed / 1e6:,.1f} MB are free again.",
            type="data",
            data={"model": model_id, "freed_bytes": freed},
        )

    async def show(self, asked: ModelGet, job: Job) -> None:
        """All that is known of one model."""
        name = asked.id or asked.model or ""
        model = self._scripted(name) or await anyio.to_thread.run_sync(
            partial(
                self._catalog.get,
                name,
                loaded=self._roster.loaded(),
                active=self._downloads.active,
            )
        )
        job.emit(
            "model_get_details",
            f"{model.id}: {model.status}",
            type="data",
            data=self._learned(model),
        )

    async def pin(self, asked: ModelPin, job: Job) -> None:
        """Keep a model whatever the quota says, or no more."""
        name = asked.id or asked.model or ""
        change = partial(self._catalog.pin, name, pinned=asked.pinned)
        model = await anyio.to_thread.run_sync(change)
        model.loaded = model.id in self._roster.loaded()
        self._roster.pulse.beat()
        words = "is kept whatever the quota says" if asked.pinned else "is pinned no more"
        job.emit("model_pin_complete", f"{model.id} {words}.", type="data", data=model)

    async def delete(self, asked: ModelDelete, job: Job) -> None:
        """Delete a model's files; refused while a worker holds it."""
        name = asked.id or asked.model or ""
        here = await anyio.to_thread.run_sync(self._catalog.resolve, name)
        model_id = here.id if here is not None else name
        freed = await anyio.to_thread.run_sync(
            partial(
                self._catalog.delete,
                name,
                loaded=self.loaded(),
                active=self._downloads.active,
            )
        )
        await self._downloads.forget(model_id)
        self._roster.pulse.beat()
        job.emit(
            "model_delete_complete",
            f"{name} is deleted; {freed / 1e6:,.1f} MB are free again.",
            type="data",
            data={"model": name, "freed_bytes": freed},
        )


def _tellers(
    job: Job,
) -> tuple[Callable[[DownloadProgress], None], Callable[[str], None]]:
    """What tells a job of a download's progress, and of what is said on the way."""

    def on_progress(progress: DownloadProgress) -> None:
        job.emit("model_download_progress", _said(progress), type="progress", data=progress)

    def on_message(text: str) -> None:
        job.emit("model_download_progress", text)

    return on_progress, on_message


def _said(progress: DownloadProgress) -> str:
    done = f"{progress.bytes / 1e6:,.1f}"
    if progress.phase != "download":
        return f"{progress.phase.capitalize()}: {done} MB."
    of = f" of {progress.total / 1e6:,.1f}" if progress.total else ""
    rate = f", {progress.rate_bytes_s / 1e6:,.1f} MB/s" if progress.rate_bytes_s else ""
    left = f", {progress.eta_s:.0f} s left" if progress.eta_s is not None else ""
    return f"{done}{of} MB{rate}{left}."
