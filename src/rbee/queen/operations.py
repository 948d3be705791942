"""What the queen's job server does: her own operations, and those of her hives.

``submit`` is what ``POST /v1/jobs`` calls: it refuses at once what can be refused
at once, and starts a job for the rest. ``status`` reads the registry. ``infer``
lives in ``infer_operation``. A hive's operation that names a joined hive is passed
on: a job there, whose events become events of the job here, and whose cancel is
passed on too. Each operation wants its scope: ``jobs`` for ``infer``, ``read`` for
``status``; all that changes a machine is the operators'.
"""

import asyncio
from contextlib import aclosing
from functools import partial
from typing import Final

import msgspec

from rbee.contracts.jobs import (
    HiveInstall,
    HiveOperation,
    Infer,
    ModelCopy,
    Status,
    decode_operation,
)
from rbee.contracts.principals import Principal, Scope
from rbee.contracts.status import HiveRow, StatusComplete, WorkerRow
from rbee.errors import Conflict, Forbidden, InvalidRequest, QueenRestarted
from rbee.foundation.jobserver import Handler, Job, JobServer
from rbee.foundation.journal import Found
from rbee.queen.infer_operation import Asked, InferOperation
from rbee.queen.installing import HiveInstalls
from rbee.queen.keys.models import check_model
from rbee.queen.lines import HiveLines
from rbee.queen.registry.colony import Colony
from rbee.queen.registry.hives import HiveView
from rbee.queen.scheduling.demand import Demand
from rbee.queen.scheduling.rates import Rates
from rbee.queen.settings import HIVE_PORT
from rbee.queen.sharing.copying import Copying

INFER: Final = "infer"  # the one operation whose jobs outlive the queen

_URLS_SHOWN_MAX: Final = 5  # an error names the nearest few hives, not ten thousand


class Operations:
    """The queen's operations, run as jobs."""

    def __init__(
        self,
        *,
        jobs: JobServer,
        colony: Colony,
        demand: Demand,
        lines: HiveLines,
        infer: InferOperation,
        installs: HiveInstalls | None = None,
        rates: Rates | None = None,
    ) -> None:
        self._jobs = jobs
        self._colony = colony
        self._demand = demand
        self._lines = lines
        self._infer = infer
        self._installs = installs
        self._copying = Copying(colony, lines)
        self._rates = rates or Rates()
        jobs.recover_with(self._recovered)

    async def submit(self, body: bytes, principal: Principal) -> Job:
        """Start the job that ``body`` describes; an ``infer`` is kept before this returns.

        Raises:
            InvalidRequest: the body is no operation, or a hive's without a hive.
            Forbidden: the principal may not do this, or not with this model.
            HiveNotFound: the named hive has not joined.
            RateLimited: the principal has used up its limit for now.
            CapacityError: too many jobs run already, or the queen is stopping.
            StorageError: the job cannot be kept, so it was not started.
        """
        operation = decode_operation(body)
        name = operation.__struct_config__.tag
        label = name if isinstance(name, str) else type(operation).__name__
        match operation:
            case Status():
                _check_scope(principal, "read", label)
                return self._jobs.submit(label, self._status, owner=principal.id)
            case Infer():
                _check_scope(principal, "jobs", label)
                check_model(principal, operation.model, self._colony, param="$.model")
                if principal.limited:
                    self._rates.check(principal, asyncio.get_running_loop().time())
                asked = Asked(operation, principal)
                work = self._infer.prepared(asked)
                return await self._jobs.accept(
                    label,
                    work,
                    request=msgspec.json.encode(asked),
                    deadline_s=operation.deadline_s,
                    owner=principal.id,
                )
            case ModelCopy():
                _check_scope(principal, "operator", label)
                copy = partial(self._copying.run, operation)
                return self._start(label, copy, principal, operation)
            case HiveInstall():
                _check_scope(principal, "operator", label)
                if self._installs is None:
                    raise Conflict("This queen puts no hives on other machines.")
                self._installs.check(operation)
                put = partial(self._installs.run, operation)
                return self._start(label, put, principal, operation)
            case _:
                _check_scope(principal, "operator", label)
                hive = self._named_hive(label, operation)
                operation.hive_id = str(hive.id)

                async def pass_on(job: Job) -> None:
                    await self._pass_on(job, hive, operation)

                return self._start(label, pass_on, principal, operation)

    def _start(
        self,
        label: str,
        work: Handler,
        principal: Principal,
        operation: HiveOperation | ModelCopy | HiveInstall,
    ) -> Job:
        """Start a job that says what it is about, for whoever looks at all of them."""
        job = self._jobs.submit(label, work, owner=principal.id)
        copies = isinstance(operation, ModelCopy)
        job.hive_id = operation.to_hive if copies else operation.hive_id
        job.model = getattr(operation, "model", None)
        return job

    def _recovered(self, found: Found) -> Handler:
        """How to go on with a job that an earlier life of the queen left."""
        if found.row.operation == INFER:
            return self._infer.recovered(found)
        raise QueenRestarted(f"A job of `{found.row.operation}` is not gone on with.")

    async def _status(self, job: Job) -> None:
        job.emit("status_start", "Looking at the colony")
        hives = self._colony.hives()
        rows = [_hive_row(hive) for hive in hives]
        job.emit("status_hives", f"{len(rows)} hive(s)", type="data", data=rows)
        workers = [
            WorkerRow(
                hive_id=str(hive.id),
                worker=worker,
                route=self._colony.route(worker.worker_id),
            )
            for hive in hives
            for worker in hive.workers
        ]
        job.emit("status_workers", f"{len(workers)} worker(s)", type="data", data=workers)
        available = sum(self._colony.is_serving(row.worker.worker_id) for row in workers)
        counts = StatusComplete(
            hives=len(rows),
            hives_available=sum(hive.state == "fresh" for hive in hives),
            workers=len(workers),
            workers_available=available,
            models=len(self._colony.models()),
            waiting=self._demand.total,
        )
        message = (
            f"{counts.hives_available} of {counts.hives} hive(s) and "
            f"{available} of {counts.workers} worker(s) are available"
        )
        job.emit("status_complete", message, type="data", data=counts)

    def _named_hive(self, label: str, operation: HiveOperation) -> HiveView:
        if operation.hive_id is not None:
            return self._colony.find_hive(operation.hive_id)
        urls = [hive.url for hive in self._colony.hives()][:_URLS_SHOWN_MAX]
        there = ", ".join(urls) if urls else f"http://localhost:{HIVE_PORT}"
        raise InvalidRequest(
            f"`{label}` is a hive's operation and names no hive at `$.hive_id`.",
            remedy=f'Send it to a hive ({there}), or add "hive_id" (e.g. "localhost") '
            "and the queen passes it on.",
            param="$.hive_id",
        )

    async def _pass_on(self, job: Job, hive: HiveView, operation: HiveOperation) -> None:
        """Run it on the hive; leaving early (a cancel here) cancels it there."""
        operation.epoch = self._lines.epoch
        line = self._lines.to(hive.url, str(hive.id))
        async with aclosing(line.jobs.run(operation)) as events:
            async for event in events:
                if event.action == "cancelled":
                    raise Conflict(f"The job was cancelled on the hive {hive.id}.")
                job.emit(event.action, event.message, type=event.type, data=event.data)


def _check_scope(principal: Principal, scope: Scope, label: str) -> None:
    if not principal.has(scope):
        raise Forbidden(
            f"The key {principal.name!r} has the scope {', '.join(sorted(principal.scopes))}; "
            f"the operation `{label}` wants {scope}.",
            remedy="Use the colony's key, or one with that scope (`rbee keys create --scope`).",
        )


def _hive_row(hive: HiveView) -> HiveRow:
    info, capabilities = hive.info, hive.capabilities
    return HiveRow(
        hive_id=str(hive.id),
        url=hive.url,
        state=hive.state,
        local=hive.local,
        beat_age_s=None if hive.beat_age_s is None else round(hive.beat_age_s, 3),
        hostname=info.hostname if info else None,
        version=info.version if info else None,
        node=hive.node,
        devices=capabilities.devices if capabilities else [],
        engines=capabilities.engines if capabilities else [],
        models=len(hive.models),
        workers=len(hive.workers),
    )
