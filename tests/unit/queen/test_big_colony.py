"""The played colony: what its machines say is a beat that a real registry takes, and believable."""

import pytest

from rbee.contracts.hives import Wanted
from rbee.queen.registry.colony import Colony
from rbee.testing.big_colony.machines import Machine
from rbee.testing.big_colony.scenarios import SCENARIOS, any_size

ALL: set[Wanted] = {"capabilities", "models", "worker_keys"}


@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if name != "hundred"])
def test_every_scenario_is_taken_by_a_real_registry(scenario: str) -> None:
    plans = SCENARIOS[scenario]()
    machines = [Machine(plan, seed=n, port=9001) for n, plan in enumerate(plans)]
    colony = Colony(hostname="here")
    for second in range(3):
        for machine in machines:
            told = colony.beat(machine.beat(100.0 + second, ALL), float(second), near=True)
            assert not told.message
    assert {str(entry.id) for entry in colony.entries()} == {plan.hive_id for plan in plans}
    assert len(colony.workers()) == sum(len(plan.workers) for plan in plans)


def test_figures_stay_where_figures_of_machines_are() -> None:
    machine = Machine(any_size(1, 4, 4)[0], seed=1, port=9001)
    totals: list[int] = []
    for second in range(120):
        beat = machine.beat(float(second), set())
        for gpu in beat.node.gpus:
            assert gpu.util_pct is not None
            assert gpu.vram_used_mb is not None
            assert 0 <= gpu.util_pct <= 100
            assert gpu.temp_c is not None
            assert 25 < gpu.temp_c < 95
            assert gpu.vram_used_mb <= (gpu.vram_total_mb or 0)
        for worker in beat.workers:
            assert 0 <= (worker.slots_busy or 0) <= (worker.slots_total or 0)
        totals.append(sum(worker.requests_total or 0 for worker in beat.workers))
    assert totals == sorted(totals), "a counter never falls"
    assert len({round(gpu.util_pct or 0) for gpu in machine.beat(121.0, set()).node.gpus}) > 1
