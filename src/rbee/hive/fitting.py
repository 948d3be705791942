"""Is there room for this worker here? Asked before each launch; learns from those that run.

``operations`` asks before it orders a worker: one that certainly does not fit
into the machine's memory is refused with numbers and ways out, instead of
slowing everything down until the system ends somebody. Doubt is no refusal. What
serving workers really hold is noted now and then (``note``) and preferred to the
estimate. A worker on GPUs is given its layers and its split here, unless somebody
asked for them: ``gpu_fitting`` knows that part.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Final

import msgspec
import psutil

from rbee.contracts.hives import Device
from rbee.contracts.models import Model, ModelFacts
from rbee.contracts.workers import SERVING
from rbee.errors import CorruptModel, NoCapacity
from rbee.fit import (
    DeviceMemory,
    OffloadPlan,
    RunSettings,
    Verdict,
    available_bytes,
    estimate,
    judge,
    plan_offload,
    settings_key,
    told,
)
from rbee.foundation.gguf import read_header
from rbee.hive.devices.choice import Open
from rbee.hive.devices.cpu import CPU_ID
from rbee.hive.engines.engine import LaunchSpec
from rbee.hive.gpu_fitting import (
    has_room,
    needs_of,
    plan_of,
    refuse_full_gpus,
    whole_on,
    with_measured,
)
from rbee.hive.models.catalog import Catalog
from rbee.hive.models.load_times import LoadTimes
from rbee.hive.models.measured import MeasuredRuns, Run
from rbee.hive.offloading import arranged, considered, gpu_memory_of
from rbee.hive.workers.roster import Roster

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

    ``used``: it has answered a request, so its buffers were touched. ``vram_bytes`` is
    what it holds on its GPUs together. ``places_layers``: what it needs there can be
    reckoned.
    """

    spec: LaunchSpec
    serving: bool
    used: bool = False
    held_bytes: int | None = None
    vram_bytes: int | None = None
    places_layers: bool = False


class Fitted(msgspec.Struct, frozen=True, kw_only=True):
    """A worker as it shall run, and why so; ``verdict`` is of its place on the CPU, if any."""

    spec: LaunchSpec
    reason: str | None = None
    verdict: Verdict | None = None


def neighbours(roster: Roster) -> list[Neighbour]:
    """Those that use memory or will."""
    return [
        Neighbour(
            spec=worker.state.spec,
            serving=worker.state.status in SERVING,
            used=bool(worker.reading.requests_total or worker.reading.tokens_total),
            held_bytes=_bytes(worker.usage.rss_mb),
            vram_bytes=_bytes(roster.vram_mb(worker)),
            places_layers=worker.engine.places_layers,
        )
        for worker in roster.by_id.values()
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

    def arrange(
        self,
        spec: LaunchSpec,
        gpus: Sequence[Device],
        left_open: Open | None,
        others: Sequence[Neighbour],
    ) -> Fitted:
        """``spec`` with its layers and split, beside ``others``.

        ``gpus`` are those that it may lie on (none: it is no worker for GPUs),
        ``left_open`` what the request leaves to be chosen.

        Raises:
            NoCapacity: it certainly does not fit; says numbers and ways out.
        """
        facts = self._header(spec) if gpus else None
        if facts is None:
            return self._on_cpu(spec, others, why=None)
        beside = [self._gpu(device, others) for device in gpus]
        placed, why = spec, None
        if left_open is not None:
            placed, why = self._chosen(spec, facts, left_open, beside)
        if placed.device_ids == (CPU_ID,):
            return self._on_cpu(placed, others, why=why)
        if placed.gpu_layers is None:
            return Fitted(spec=placed, reason=f"the engine places the layers: {why or 'asked so'}")
        on = [gpu for name in placed.device_ids for gpu in beside if gpu.id == name]
        plan = plan_of(facts, settings_of(placed), placed, on)
        if plan.gpu_layers is None:
            return Fitted(spec=placed, reason=f"not judged: {plan.reason}")
        plan = with_measured(plan, self._measured.find(_run(placed)))
        numbers = refuse_full_gpus(placed, plan, on)
        self._check_host(placed, plan, others)
        return Fitted(spec=placed, reason=f"{plan.reason}; {numbers}")

    def _on_cpu(self, spec: LaunchSpec, others: Sequence[Neighbour], *, why: str | None) -> Fitted:
        verdict = self.check(spec, others)
        said = [words for words in (why, verdict.reason if verdict else None) if words]
        return Fitted(spec=spec, reason="; ".join(said) or None, verdict=verdict)

    def _chosen(
        self,
        spec: LaunchSpec,
        facts: ModelFacts,
        left_open: Open,
        beside: Sequence[DeviceMemory],
    ) -> tuple[LaunchSpec, str]:
        """Layers and split that nobody asked for, and why so."""
        memory = considered(left_open, beside)
        if not memory:
            return spec, f"the free memory of {', '.join(gpu.id for gpu in beside)} is unknown"
        plan = plan_offload(facts, settings_of(spec), memory, spread=left_open.named)
        for gpu in memory if plan.gpu_layers != plan.layers and len(memory) == 1 else ():
            whole = whole_on(spec, gpu)
            if has_room(self._measured.find(_run(whole)), gpu):
                plan = plan_of(facts, settings_of(whole), whole, [gpu])
        return arranged(spec, left_open, plan), plan.reason

    def _gpu(self, device: Device, others: Sequence[Neighbour]) -> DeviceMemory:
        """A GPU's memory beside those that still load onto it."""
        held = expected = 0
        for other in others:
            if other.serving or device.id not in other.spec.device_ids or not other.places_layers:
                continue
            facts = self._header(other.spec)
            if facts is None:
                continue
            needed = needs_of(other.spec, settings_of(other.spec), facts)
            share = needed.get(device.id, 0)
            expected += share
            whole = sum(needed.values())
            held += int((other.vram_bytes or 0) * share / whole) if whole else 0
        return gpu_memory_of(device, held_bytes=held, expected_bytes=expected)

    def _check_host(self, spec: LaunchSpec, plan: OffloadPlan, others: Sequence[Neighbour]) -> None:
        """Refuse what leaves more to the machine's memory than there is.

        Raises:
            NoCapacity: the layers that no GPU holds have no room.
        """
        if any(other.spec.model_path == spec.model_path for other in others):
            return  # the file is mapped, so what the CPU needs of it may be there already
        room = available_bytes(self._cpu(others))
        if room is not None and plan.host_bytes > room:
            raise NoCapacity(
                f"{spec.model} has no room here: {plan.reason}, and the CPU's part needs"
                f" {-(-plan.host_bytes // _MIB):,} MiB of the {room // _MIB:,} MiB that may be"
                " used.",
                remedy="Stop another worker, or ask for a smaller `context_length`.",
            )

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
        of them map would be counted twice. On GPUs it is their memory that counts.

        Raises:
            StorageError: it cannot be written.
        """
        for one in workers:
            if not (one.used and one.serving) or one.spec.model_path is None:
                continue
            sharing = [other for other in workers if other.spec.model_path == one.spec.model_path]
            if not _is_judged(one.spec):
                if one.places_layers and one.vram_bytes:
                    self._measured.record(_run(one.spec), one.vram_bytes, now=now)
            elif one.held_bytes and len(sharing) == 1:
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
        return self._header(spec) if _is_judged(spec) else None

    def _header(self, spec: LaunchSpec) -> ModelFacts | None:
        """What the model's header says; None without a file that can be read."""
        if spec.model_path is None:
            return None
        known = self._catalog.metadata_of(spec.model)
        if known is not None and known.header.facts is not None:
            return known.header.facts
        try:  # catalogued by an earlier version
            return read_header(Path(spec.model_path)).facts
        except CorruptModel:
            return None  # the engine will say what is wrong with it


def settings_of(spec: LaunchSpec) -> RunSettings:
    """How the launcher runs ``spec``."""
    if spec.task != "generate":
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
        device=",".join(spec.device_ids),
    )


def _bytes(size_mb: float | None) -> int | None:
    return None if size_mb is None else int(size_mb * _MIB)


@lru_cache  # it reads the package's metadata: milliseconds of each spawn
def _version(engine: str) -> str:
    try:
        return metadata.version(engine)
    except metadata.PackageNotFoundError:
        return "?"
