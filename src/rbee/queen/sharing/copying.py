"""``model_copy``: the operator wants a model of one hive on another one too.

The source is asked for a ticket first, with patience, for a file that was catalogued
where it lies has no digest until somebody wants it. Then the target downloads it as any
other model, from that hive (``from_hive``); its events become events of this job. A
target that is restarted meanwhile is waited for, and told again: it goes on where it was.
"""

from contextlib import aclosing
from typing import Final

import anyio

from rbee.contracts.jobs import JobEvent, ModelCopy, ModelDownload
from rbee.contracts.models import Model
from rbee.errors import (
    CapacityError,
    Conflict,
    DeadlineExceeded,
    HiveNotFound,
    HiveUnreachable,
    InvalidRequest,
    JobNotFound,
    ModelNotFound,
    ShuttingDown,
)
from rbee.foundation import logs
from rbee.foundation.jobserver import Job
from rbee.queen.lines import HiveLines
from rbee.queen.registry.colony import Colony
from rbee.queen.registry.hives import HiveView
from rbee.queen.sharing.holders import find_holders

DIGEST_WITHIN_S: Final = 1800.0  # 400 GB from a disk of 250 MB/s
BACK_WITHIN_S: Final = 60.0  # a restart, an update, or a reboot of a small machine
TOLD_WITHIN_S: Final = 5.0  # a beat comes each second, a change at once
LOOK_EVERY_S: Final = 0.25  # a hive that comes back is seen at once; a look is one request
ASK_AGAIN_S: Final = 1.0  # a gigabyte is read in two or three

_AWAY: Final = (HiveUnreachable, JobNotFound, ShuttingDown, DeadlineExceeded)
"""What a hive that is killed or restarted looks like from here."""

_log = logs.get(__name__)


class Copying:
    """The operation ``model_copy``."""

    def __init__(self, colony: Colony, lines: HiveLines) -> None:
        self._colony = colony
        self._lines = lines

    async def run(self, asked: ModelCopy, job: Job) -> None:
        """Do it, told by ``job``.

        Raises:
            HiveNotFound: one of the two has not joined.
            InvalidRequest: they are one and the same.
            ModelNotFound: the source, or every hive, has no such model.
            RbeeError: what the target failed with.
        """
        target = self._colony.find_hive(asked.to_hive)
        source, model = self._source(asked, target)
        job.emit("model_copy_start", f"Copying {model.id} from {source.id} to {target.id}.")
        if any(row.id == model.id and row.status == "available" for row in target.models):
            self._check_same(target, model)
        if model.sha256 is None:
            job.emit("model_copy_progress", f"{source.id} reads the file for its digest.")
        await self._digest(source, model, target)
        operation = ModelDownload(model=model.id, hive_id=str(target.id), from_hive=str(source.id))
        last = await self._have_downloaded(operation, job)
        data = last.data if last is not None else None
        await self._told(str(target.id), model.id)
        job.emit(
            "model_copy_complete", f"{model.id} is on {target.id} too.", type="data", data=data
        )

    async def _digest(self, source: HiveView, model: Model, target: HiveView) -> None:
        """Wait until the source can give the file, which it may have to read first.

        Raises:
            CapacityError: it reads others all the time. RbeeError: it gives none.
        """
        line = self._lines.to(source.url, str(source.id))
        patient_until = anyio.current_time() + DIGEST_WITHIN_S
        while True:
            try:
                await line.ticket(model.id, str(target.id), timeout_s=DIGEST_WITHIN_S)
            except CapacityError:
                if anyio.current_time() > patient_until:
                    raise
                await anyio.sleep(ASK_AGAIN_S)
            else:
                return

    def _source(self, asked: ModelCopy, target: HiveView) -> tuple[HiveView, Model]:
        model_id = self._colony.resolve(asked.model) or asked.model
        named = None
        if asked.from_hive is not None:
            named = str(self._colony.find_hive(asked.from_hive).id)
        if named == str(target.id):
            raise InvalidRequest(
                f"`from_hive` and `to_hive` are both {named!r} at `$.to_hive`.", param="$.to_hive"
            )
        holders = find_holders(model_id, self._colony.hives(), target, from_hive=named)
        if named is not None:
            holders = [one for one in holders if str(one.hive.id) == named]
        if not holders:
            where = f"The hive {named} has no" if named else "No other hive that answers has a"
            raise ModelNotFound(f"{where} model {asked.model!r} to copy.", param="$.model")
        return holders[0].hive, holders[0].model

    def _check_same(self, target: HiveView, model: Model) -> None:
        here = next(row for row in target.models if row.id == model.id)
        if None not in {here.sha256, model.sha256} and here.sha256 != model.sha256:
            raise Conflict(
                f"{target.id} has another model under the name {model.id}.",
                remedy=f"Delete that one first: `rbee model delete {model.id} --hive-id"
                f" {target.id}`.",
            )

    async def _have_downloaded(self, operation: ModelDownload, job: Job) -> JobEvent | None:
        """Have the target download it, again when it was away; the event with the model."""
        while True:
            target = self._colony.find_hive(operation.hive_id or "")
            try:
                return await self._once(target, operation, job)
            except _AWAY as error:
                _log.info("copy interrupted", hive=target.id, reason=error.message)
                words = f"{target.id} is away ({error.message.rstrip('.')}); waiting for it."
                job.emit("model_copy_progress", words)
                if not await self._is_back(str(target.id)):
                    raise
                job.emit("model_copy_progress", f"{target.id} is back; going on.")

    async def _once(self, target: HiveView, operation: ModelDownload, job: Job) -> JobEvent | None:
        last: JobEvent | None = None
        async with aclosing(
            self._lines.to(target.url, str(target.id)).jobs.run(operation)
        ) as events:
            async for event in events:
                if event.action == "cancelled":
                    raise Conflict(f"The copy was cancelled on the hive {target.id}.")
                if event.action == "model_download_complete":
                    last = event
                job.emit(event.action, event.message, type=event.type, data=event.data)
        return last

    async def _told(self, hive_id: str, model_id: str) -> None:
        """Wait for the beat that shows the model: whoever reads "complete" may use it at once."""
        with anyio.move_on_after(TOLD_WITHIN_S):
            while not self._has(hive_id, model_id):  # noqa: ASYNC110  beats set no event
                await anyio.sleep(LOOK_EVERY_S)

    def _has(self, hive_id: str, model_id: str) -> bool:
        models = [row for hive in self._colony.hives() if hive.id == hive_id for row in hive.models]
        return any(row.id == model_id and row.status == "available" for row in models)

    async def _is_back(self, hive_id: str) -> bool:
        """Wait for a hive that answers; false when it does not come."""
        with anyio.move_on_after(BACK_WITHIN_S):
            while True:
                await anyio.sleep(LOOK_EVERY_S)
                try:
                    target = self._colony.find_hive(hive_id)
                    await self._lines.to(target.url, str(target.id)).health()
                except (HiveNotFound, *_AWAY):
                    continue
                return True
        return False
