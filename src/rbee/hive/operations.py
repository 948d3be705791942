"""What a hive does when asked: the job operations of wire.md.

``POST /v1/jobs`` (api) decodes the body and calls ``submit``; each operation is
a coroutine that tells its job what happens and ends with it. Workers are made by
``workers/supervisor``, what else is done with them stands in ``worker_operations``, models
are the matter of ``model_operations``; this file joins them and speaks the words of the
contract. A hive answers for itself alone: another hive's id is refused with the address
to send it to.
"""

from collections.abc import Sequence
from functools import partial

import anyio
import anyio.to_thread

from rbee.contracts.hives import Device
from rbee.contracts.ids import LOCAL_HIVE_NAMES, HiveId
from rbee.contracts.jobs import (
    HiveInstall,
    HiveOperation,
    Infer,
    ModelCopy,
    ModelList,
    Operation,
    Status,
    WorkerProcessDelete,
    WorkerProcessGet,
    WorkerProcessList,
    WorkerRestart,
    WorkerSpawn,
    decode_operation,
)
from rbee.contracts.models import Model
from rbee.errors import HiveNotFound, InvalidRequest, ShuttingDown
from rbee.foundation.jobserver import Handler, Job, JobServer
from rbee.hive.devices.choice import Placing, gpu_kinds, kind_named, place, require_kind
from rbee.hive.devices.inventory import Inventory
from rbee.hive.engines.catalog import Engines
from rbee.hive.engines.engine import Engine, LaunchSpec
from rbee.hive.engines.scripted import NAME as SCRIPTED
from rbee.hive.engines.scripted import is_scripted_model
from rbee.hive.epochs import Epochs
from rbee.hive.fitting import Fitted, Fitting, neighbours
from rbee.hive.foreign_models import foreign, foreign_rows, is_foreign, path_of
from rbee.hive.isolation.memory_limit import limited
from rbee.hive.model_operations import ModelOperations
from rbee.hive.models.catalog import Catalog
from rbee.hive.models.downloads import Downloads
from rbee.hive.purpose import task_of
from rbee.hive.settings import HiveSettings
from rbee.hive.worker_operations import WorkerOperations, tell_ready
from rbee.hive.workers.messages import Order
from rbee.hive.workers.supervisor import Supervisor


class Operations:
    """The operations of one hive."""

    def __init__(
        self,
        hive_id: HiveId,
        settings: HiveSettings,
        *,
        engines: Engines,
        inventory: Inventory,
        catalog: Catalog,
        downloads: Downloads,
        supervisor: Supervisor,
        fitting: Fitting,
        epochs: Epochs | None = None,
    ) -> None:
        self._hive_id = hive_id
        self._settings = settings
        self._engines = engines
        self._inventory = inventory
        self._catalog = catalog
        self._supervisor = supervisor
        self._roster = supervisor.roster
        self.workers = WorkerOperations(hive_id, supervisor)
        self.models = ModelOperations(
            hive_id,
            catalog=catalog,
            downloads=downloads,
            roster=supervisor.roster,
            scripted=self._scripted,
            learned=fitting.learned,
        )
        self._fitting = fitting
        self._epochs = epochs
        self.stopping = False

    def submit(self, jobs: JobServer, body: bytes) -> Job:
        """Decode a request and start its job.

        Raises:
            InvalidRequest: the body, or an operation of the queen's.
            HiveNotFound: it is for another hive.
            StaleEpoch: a queen commands whose successor was heard of.
            ShuttingDown: the hive goes away.
        """
        operation = decode_operation(body)
        if self._epochs is not None and operation.epoch is not None:
            self._epochs.check(operation.epoch)
        if self.stopping:
            raise ShuttingDown("This hive is stopping.")
        work = self.handler(operation)
        name = str(operation.__struct_config__.tag)
        return jobs.submit(name, work)

    def handler(self, operation: Operation) -> Handler:
        """The coroutine function that does an operation.

        Raises:
            InvalidRequest: it belongs to the queen.
            HiveNotFound: it is for another hive.
        """
        if isinstance(operation, (Infer, Status, ModelCopy, HiveInstall)):
            raise InvalidRequest(
                f"A hive does not do `{operation.__struct_config__.tag}` at `$.operation`.",
                remedy=f"Send it to the queen: {self._settings.queen_url}/v1/jobs.",
                param="$.operation",
            )
        self._check_addressee(operation)
        return partial(self._do, operation)

    async def _do(self, operation: HiveOperation, job: Job) -> None:
        match operation:
            case WorkerSpawn():
                await self._spawn(operation, job)
            case WorkerProcessList():
                await self.workers.list(job)
            case WorkerProcessGet():
                await self.workers.show(operation, job)
            case WorkerProcessDelete():
                await self.workers.delete(operation, job)
            case WorkerRestart():
                await self.workers.restart(operation, job)
            case ModelList():
                await self._list_models(job)
            case _:
                await self.models.do(operation, job)

    def model_rows(self) -> list[Model]:
        """The catalogue as the beats show it; blocking, some ms."""
        rows = self.models.rows()
        if self._engines.get(SCRIPTED) is not None:
            names = (SCRIPTED, *self._settings.scripted_models)
            rows += [self._scripted_model(name) for name in names]
        rows += foreign_rows(self._roster, {row.id for row in rows})
        return [self._fitting.learned(row) for row in rows]

    def _check_addressee(self, operation: HiveOperation) -> None:
        asked = operation.hive_id
        if asked is None or asked.lower() in LOCAL_HIVE_NAMES or asked == self._hive_id:
            return
        raise HiveNotFound(
            f"This is hive {self._hive_id!r}, not {asked!r}, at `$.hive_id`.",
            remedy=f"Send it to the queen ({self._settings.queen_url}/v1/jobs), "
            "which passes it on, or leave `hive_id` out to mean this hive.",
            param="$.hive_id",
        )

    # ── workers ──────────────────────────────────────────────────────────────

    async def _spawn(self, asked: WorkerSpawn, job: Job) -> None:
        job.emit("worker_spawn_start", f"Starting a worker for {asked.model} on {self._hive_id}.")
        devices, problems = self._inventory.devices(), self._inventory.problems()
        kind = kind_named(asked.worker)
        if kind is not None:
            require_kind(devices, kind, problems)  # said before any engine's own reason
        await self._engines.tried()
        engine = self._engines.select(asked.worker, asked.model, gpu_kinds(devices, asked.device))
        placing = place(devices, engine.device_types, asked, problems)
        model = await self._model_for(asked.model, engine, job)
        with self.models.claim(model.id):
            spec = await self._spec(asked, engine, placing, model)
            fitted = await self._arranged(spec, engine, placing, asked, job)
            worker_id, created = await self._supervisor.spawn(
                Order(
                    spec=limited(fitted.spec, fitted.verdict, self._settings),
                    manual=asked.manual,
                    command_id=asked.command_id,
                    asked=asked,
                    fit=fitted.reason,
                )
            )
        if not created:
            job.emit("worker_spawn_progress", f"This command made {worker_id} already.")
        try:
            stats = await self.workers.wait_ready(worker_id, job)
        except anyio.get_cancelled_exc_class():
            if created:
                self._supervisor.stop(worker_id, force=True)
            raise
        tell_ready(job, stats)

    async def _arranged(
        self, spec: LaunchSpec, engine: Engine, placing: Placing, asked: WorkerSpawn, job: Job
    ) -> Fitted:
        """Layers, split and room; a repeated command has its room already.

        Raises:
            NoCapacity: it certainly does not fit.
        """
        command_id, workers = asked.command_id, self._roster.by_id.values()
        if command_id and any(worker.state.command_id == command_id for worker in workers):
            return Fitted(spec=spec)
        gpus: Sequence[Device] = ()
        if engine.places_layers:
            gpus = placing.open.gpus if placing.open else self._gpus(placing.device_ids)
        fitted = await anyio.to_thread.run_sync(
            self._fitting.arrange, spec, gpus, placing.open, neighbours(self._roster)
        )
        if fitted.reason is not None:
            job.emit("worker_spawn_progress", f"Memory: {fitted.reason}.")
        return fitted

    def _gpus(self, device_ids: Sequence[str]) -> list[Device]:
        """The GPUs of these names, in their order."""
        by_id = {device.id: device for device in self._inventory.devices()}
        found = [by_id[name] for name in device_ids if name in by_id]
        return [device for device in found if device.device_type != "cpu"]

    async def _model_for(self, name: str, engine: Engine, job: Job) -> Model:
        """The model on this machine, downloaded first when it is missing."""
        if engine.name == SCRIPTED:
            if is_scripted_model(name):
                return self._scripted_model(name)
            raise InvalidRequest(
                f"The scripted engine serves `scripted` and `scripted-…`, not {name!r}, "
                "at `$.model`.",
                param="$.model",
            )
        return foreign(name, engine) or await self.models.ensure(name, job, only_if_missing=True)

    async def _spec(
        self, asked: WorkerSpawn, engine: Engine, placing: Placing, model: Model
    ) -> LaunchSpec:
        path = path_of(model)
        if engine.name != SCRIPTED and not is_foreign(model):
            path = str(await anyio.to_thread.run_sync(self._catalog.file_of, model.id))
        context = asked.context_length or min(
            self._settings.context_length, model.context_length or self._settings.context_length
        )
        return LaunchSpec(
            engine=engine.name,
            model=model.id,
            model_path=path,
            task=task_of(asked.task, model),
            context_tokens=context,
            slots=asked.slots or self._settings.slots,
            device_ids=placing.device_ids,
            threads=self._settings.threads,
            gpu_layers=placing.gpu_layers,
            split_mode=placing.split_mode,
            tensor_split=placing.tensor_split,
            main_gpu=placing.main_gpu,
            env=placing.env,
            upstream=self._engines.server_of(asked.worker),
        )

    # ── models ───────────────────────────────────────────────────────────────

    async def _list_models(self, job: Job) -> None:
        rows = await anyio.to_thread.run_sync(self.model_rows)
        for row in rows:
            job.emit("model_list_entry", f"{row.id}: {row.status}", type="data", data=row)
        job.emit("model_list_complete", f"{len(rows)} models on {self._hive_id}.")

    def _scripted(self, name: str) -> Model | None:
        """The model behind a name that the scripted engine serves; None for all others."""
        if self._engines.get(SCRIPTED) is None or not is_scripted_model(name):
            return None
        return self._scripted_model(name)

    def _scripted_model(self, name: str) -> Model:
        return Model(
            id=name,
            name=name,
            size_bytes=0,
            context_length=self._settings.context_length,
            chat_template=True,
            loaded=name in self._roster.loaded(),
            source="script",
        )
