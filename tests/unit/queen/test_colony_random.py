"""The registry under random beats, silences and deaths; names kept against names gathered."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from rbee.contracts.hives import Heartbeat
from rbee.contracts.models import Model
from rbee.contracts.workers import WorkerStats
from rbee.queen.registry.colony import Colony
from rbee.testing.raw_worker import beat, ready_worker

MODEL_IDS = ("Alpha", "beta", "org/Gamma-GGUF:g-Q4_0.gguf")
catalogues = st.lists(
    st.builds(
        Model,
        id=st.sampled_from(MODEL_IDS),
        name=st.just("file.gguf"),
        aliases=st.lists(st.sampled_from(["one", "Two"]), max_size=2, unique=True),
        status=st.sampled_from(["available", "corrupt"]),
    ),
    max_size=3,
    unique_by=lambda model: model.id,
)


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"), catalogues, st.lists(st.sampled_from(MODEL_IDS), max_size=2)
        ),
        max_size=12,
    )
)
def test_names_kept_while_beats_come_are_those_gathered_anew(
    beats: list[tuple[str, list[Model], list[str]]],
) -> None:
    colony = Colony()
    last: dict[str, Heartbeat] = {}
    for stamp, (hive, catalogue, run) in enumerate(beats, start=2):
        workers = [ready_worker(f"{hive}{n}", 9001, model=model) for n, model in enumerate(run)]
        message = beat(workers, hive_id=hive, at=float(stamp))
        message.models = catalogue
        colony.beat(message, float(stamp))
        colony.resolve("one")  # sums up in between, so that every later change has to be seen
        last[hive] = message
    held = {model.id for one in last.values() for model in one.models or ()}
    held |= {worker.model for one in last.values() for worker in one.workers}
    assert {row.id for row in colony.models()} == held
    for model_id in MODEL_IDS:
        assert colony.resolve(model_id.upper()) == (model_id if model_id in held else None)
        facts = [m for one in last.values() for m in one.models or () if m.id == model_id]
        found = colony.facts(model_id)
        assert (found is not None) == (model_id in held)
        if found is not None and any(model.status == "available" for model in facts):
            assert found.status == "available"
    for name in ("one", "Two"):
        holders = {
            model.id for one in last.values() for model in one.models or () if name in model.aliases
        }
        assert (colony.resolve(name) in holders) if holders else (colony.resolve(name) is None)


class ColonyMachine(RuleBasedStateMachine):
    """Random beats, silences and deaths; what is routed must always be defensible."""

    def __init__(self) -> None:
        super().__init__()
        self.colony = Colony(hostname="here")
        self.now = 0.0
        self.beat_at: dict[str, float] = {}
        self.said: dict[str, dict[str, WorkerStats]] = {}
        self.died: dict[str, tuple[int, float]] = {}
        self.generation = 1

    @rule(
        hive=st.sampled_from(["a", "b", "c"]),
        statuses=st.lists(
            st.sampled_from(["starting", "ready", "busy", "draining", "error"]), max_size=4
        ),
        restarted=st.booleans(),
    )
    def beats(self, hive: str, statuses: list[str], *, restarted: bool) -> None:
        self.generation += restarted  # never goes back: a restart adds one
        workers = [
            msgspec.structs.replace(
                ready_worker(f"{hive}{n}", 9001 + n),
                status=status,
                generation=self.generation,
                pid=None,
            )
            for n, status in enumerate(statuses)
        ]
        self.colony.beat(beat(workers, hive_id=hive, at=self.now + 1_000.0), self.now)
        self.beat_at[hive] = self.now
        self.said[hive] = {worker.worker_id: worker for worker in workers}
        for worker_id in list(self.died):
            if worker_id[0] == hive and worker_id not in self.said[hive]:
                del self.died[worker_id]

    @rule(seconds=st.sampled_from([0.1, 0.5, 1.0, 4.0, 30.0]))
    def time_passes(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + 0.5)
            self.colony.sweep(self.now)

    @rule(hive=st.sampled_from(["a", "b", "c"]), number=st.integers(0, 3))
    def dies(self, hive: str, number: int) -> None:
        worker = self.said.get(hive, {}).get(f"{hive}{number}")
        if worker is not None and any(view.id == hive for view in self.colony.hives()):
            self.colony.mark_dead(worker.worker_id, worker.generation)
            self.died[worker.worker_id] = (worker.generation, self.now)

    @invariant()
    def only_the_living_are_routed(self) -> None:
        for worker in self.colony.serving("m"):
            hive = str(worker.hive_id)
            assert self.now - self.beat_at[hive] <= 3.0
            assert self.said[hive][worker.worker_id].status in {"ready", "busy"}
            died = self.died.get(worker.worker_id)
            if died is not None:
                generation, at = died
                assert worker.generation > generation or self.now - at >= 10.0

    @invariant()
    def every_fresh_living_worker_is_routed(self) -> None:
        routed = {worker.worker_id for worker in self.colony.serving("m")}
        for hive, workers in self.said.items():
            for worker in workers.values():
                serves = worker.status in {"ready", "busy"} and worker.worker_id not in self.died
                if serves and self.now - self.beat_at[hive] <= 2.0:
                    assert worker.worker_id in routed


TestColonyMachine = ColonyMachine.TestCase
# Each step sweeps up to a minute of the table.
TestColonyMachine.settings = settings(stateful_step_count=25)
