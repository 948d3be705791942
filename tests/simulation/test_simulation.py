"""The colony under virtual time: a few seeds, those that once went wrong, and the burst."""

from pathlib import Path

import pytest

from rbee.testing.simulation.__main__ import scenario_of
from rbee.testing.simulation.drill import run
from rbee.testing.simulation.thrash import burst
from rbee.testing.simulation.world import Scenario

LINES = (Path(__file__).parent / "seeds.txt").read_text(encoding="utf-8").splitlines()
_MORE = [pytest.param(seed, marks=pytest.mark.thorough) for seed in range(2, 42)]
KEPT = [line for line in LINES if line and not line.startswith("#")]


@pytest.mark.parametrize("seed", [1, *_MORE])
def test_nothing_is_lost_whatever_dies(seed: int) -> None:
    report = run(Scenario(seed=seed, requests=100, kills=12, hangs=1, stalls=1, queen_kills=1))
    assert report.ok, report.told()
    assert report.counts["workers killed"] >= 8
    assert report.counts["continued"] > 0
    # The queen dies once: up to half are cut by that, and told so.
    assert report.verdicts["whole"] > 30


@pytest.mark.parametrize("line", KEPT)
def test_what_once_went_wrong_goes_well(line: str) -> None:
    report = run(scenario_of(line))
    assert report.ok, report.told()


def test_a_seed_tells_the_same_story_twice() -> None:
    scenario = Scenario(seed=5, requests=20, kills=3)
    first, second = run(scenario), run(scenario)
    assert first.virtual_s == second.virtual_s
    assert first.counts == second.counts
    assert first.verdicts == second.verdicts


@pytest.mark.parametrize("models", [2, pytest.param(4, marks=pytest.mark.thorough)])
def test_a_shuffled_burst_loads_each_model_at_most_once_and_one_once_more(models: int) -> None:
    found = burst(models, requests=12 * models, seed=3)
    assert not found.bad
    assert not found.breaches
    assert models <= found.loads <= models + 1
