"""Is there room for this worker here? Asked before each launch; learns from those that run.

``operations`` asks before it orders a worker: one that certainly does not fit
into the machine's memory is refused with numbers and ways out, instead of
slowing everything down until the system ends somebody. Doubt is no refusal. What
serving workers really hold is noted now and then (``note``) and preferred to the
estimate. Only workers on the CPU are judged: on GPUs the engine itself leaves to
the CPU what has no room.
"""

from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Final

import msgspec
import psutil

from rbee.contracts.models import Model, ModelFacts
from rbee.contracts.workers import SERVING
from rbee.errors import CorruptModel, NoCapacity
from rbee.fit import (
    DeviceMemory,
    RunSettings,
    Verdict,
    estimate,
    judge,
    settings_key,
    told,
)
from rbee.foundation.gguf import read_header
from rbee.hive.devices.cpu import CPU_ID
from rbee.hive.engines.engine import LaunchSpec
from rbee.hive.models.catalog import Catalog
from rbee.hive.models.load_times import LoadTimes
from rbee.hive.models.measured import MeasuredRuns, Run
from rbee.hive.workers.record import Worker

EMBEDDING_BATCH_TOKENS: Final = 2_048  # what a worker reads at once when it embeds
_MIB: Final = 1024 * 1024

MemoryNow = Callable[[], tuple[int, int]]
"""All of the machine's memory and what is free of it, bytes."""


def machine_memory() -> tuple[int, int]:
    """As the system tells it: free is what can be had without swapping."""
    memory = psutil.virtual_memory()
    return memory.total, memory.available


class Neighbour(msgspec.Struct, frozen=True, kw_only=True):
    """Another worker of this hive: what it runs, and bytes it holds now (null: not known).

    ``used``: it has answered a request, so its buffers were touched.
    """

    spec: LaunchSpec
    serving: bool
    used: bool = False
    held_bytes: int | None = None


def neighbours(workers: Sequence[Worker]) -> list[Neighbour]:
    """Those that use memory or will."""
    return [
        Neighbour(
            spec=worker.state.spec,
            serving=worker.state.status in SERVING,
            used=bool(worker.reading.requests_total or worker.reading.tokens_total),
            held_bytes=None if worker.usage.rss_mb is None else int(worker.usage.rss_mb * _MIB),
        )
        for worker in workers
        if worker.state.status in SERVING or worker.state.status == "starting"
    ]


class Fitting:
    """The judge of one hive. Its calls read small files: make them in a thread."""

    def __init__(
        self,
        catalog: Catalog,
        measured: MeasuredRuns,
        loads: LoadTimes,
        memory: MemoryNow = machine_memory,
    ) -> None:
        self._catalog = catalog
        self._measured = measured
        self._loads = loads
        self._memory = memory

    def check(self, spec: LaunchSpec, others: Sequence[Neighbour]) -> Verdict | None:
        """The verdict on ``spec`` beside ``others``; None when it is not judged here.

        Raises:
            NoCapacity: it certainly does not fit; says numbers and ways out.
        """
        facts = self._facts(spec)
        if facts is None:
            return None
        held = {other.spec.model_path for other in others if _is_judged(other.spec)}
        shared = spec.model_path in held
        verdict = judge(
            _without_weights(facts) if shared else facts,
            settings_of(spec),
            self._cpu(others),
            measured=None if shared else self._measured.find(_run(spec)),
        )
        if verdict.fits == "no":
            raise NoCapacity(
                f"{spec.model} with a context of {spec.context_tokens:,} tokens has no room here:"
                f" {verdict.reason}.",
                remedy=told(verdict.remedies) or "Stop another worker, or use another hive.",
            )
        return verdict

    def offer(
        self,
        facts: ModelFacts,
        settings: RunSettings,
        others: Sequence[Neighbour],
        gpus: Sequence[DeviceMemory] = (),
    ) -> Verdict:
        """The verdict on a model that is not here yet: on a GPU that holds it, else on the CPU."""
        for gpu in gpus:
            verdict = judge(facts, settings, gpu)
            if verdict.fits == "yes":
                return verdict
        return judge(facts, settings, self._cpu(others))

    def learned(self, model: Model) -> Model:
        """``model`` with what its workers here have shown: how long it loads, what it holds."""
        seen = self._measured.last(model.id)
        model.memory_bytes = None if seen is None else seen.peak_bytes
        model.load_s = self._loads.usual_s(model.id)
        return model

    def note(self, workers: Sequence[Neighbour], *, now: float) -> None:
        """Remember what serving workers hold at ``now`` (Unix seconds).

        Only of those that were used, and are alone with their model: a file that two
        of them map would be counted twice.

        Raises:
            StorageError: it cannot be written.
        """
        for one in workers:
            sharing = [other for other in workers if other.spec.model_path == one.spec.model_path]
            if (
                one.used
                and one.serving
                and one.held_bytes
                and len(sharing) == 1
                and _is_judged(one.spec)
            ):
                self._measured.record(_run(one.spec), one.held_bytes, now=now)

    def _cpu(self, others: Sequence[Neighbour]) -> DeviceMemory:
        """The machine's memory beside ``others``."""
        total, free = self._memory()
        return DeviceMemory(
            id=CPU_ID,
            total_bytes=total,
            free_bytes=free,
            held_bytes=sum(one.held_bytes or 0 for one in others if not one.serving),
            expected_bytes=self._expected_bytes(others),
        )

    def _expected_bytes(self, others: Sequence[Neighbour]) -> int:
        """What those that still load will hold when they are loaded and full."""
        mapped = {other.spec.model_path for other in others if other.serving}
        total = 0
        for other in others:
            if other.serving:
                continue
            facts = self._facts(other.spec)
            if facts is None:
                total += other.held_bytes or 0
                continue
            if other.spec.model_path in mapped:
                facts = _without_weights(facts)
            mapped.add(other.spec.model_path)
            needed = estimate(facts, settings_of(other.spec))
            total += needed.low_bytes if needed.total_bytes is None else needed.total_bytes
        return total

    def _facts(self, spec: LaunchSpec) -> ModelFacts | None:
        if not _is_judged(spec):
            return None
        known = self._catalog.metadata_of(spec.model)
        if known is not None and known.header.facts is not None:
            return known.header.facts
        try:  # catalogued by an earlier version
            return read_header(Path(spec.model_path or "")).facts
        except CorruptModel:
            return None  # the engine will say what is wrong with it


def settings_of(spec: LaunchSpec) -> RunSettings:
    """How the launcher runs ``spec``."""
    if spec.task == "embeddings":
        return RunSettings(
            context_tokens=spec.context_tokens,
            slots=spec.slots,
            ubatch_tokens=min(spec.context_tokens, EMBEDDING_BATCH_TOKENS),
            all_outputs=True,
        )
    return RunSettings(
        context_tokens=spec.context_tokens, slots=spec.slots, gpu_layers=spec.gpu_layers
    )


def _without_weights(facts: ModelFacts) -> ModelFacts:
    """For one more worker of a model: the file is mapped, so its pages are shared."""
    return msgspec.structs.replace(facts, weights_bytes=0)


def _is_judged(spec: LaunchSpec) -> bool:
    return spec.model_path is not None and spec.device_ids == (CPU_ID,)


def _run(spec: LaunchSpec) -> Run:
    return Run(
        model=spec.model,
        engine=f"{spec.engine} {_version(spec.engine)}",
        settings=settings_key(settings_of(spec)),
        device=CPU_ID,
    )


def _version(engine: str) -> str:
    try:
        return metadata.version(engine)
    except metadata.PackageNotFoundError:
        return "?"
