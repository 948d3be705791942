"""A scenario played from its first request to its last end: ``run`` gives the report.

Everything that happens is drawn from the seed: the requests, the kills, the crashes,
the losses. When all requests have ended (or nobody can wait any longer) the rules are
looked at once more, the colony is taken apart, and what still lives then was leaked.
"""

import time
from collections import Counter

import msgspec

from rbee.testing.simulation import clock
from rbee.testing.simulation.queen import Parts
from rbee.testing.simulation.stage import Stage
from rbee.testing.simulation.world import Scenario


class Report(msgspec.Struct, kw_only=True):
    """What came of a run. ``verdicts`` count requests and jobs by how they ended."""

    scenario: Scenario
    verdicts: Counter[str]
    counts: Counter[str]
    breaches: list[tuple[float, str]]
    virtual_s: float
    real_s: float

    @property
    def ok(self) -> bool:
        """Whether every rule held."""
        return not self.breaches

    def told(self) -> str:
        """The report for people; a bad one says how to see it again."""
        words = [what for _, what in self.breaches]
        lost = sum(count for what, count in self.verdicts.items() if what.endswith("lost"))
        twice = sum("times" in what or "twice" in what for what in words)
        head = (
            f"seed {self.scenario.seed}: {self.scenario.requests} requests, "
            f"{lost} lost, {twice} ended twice, "
            f"{self.verdicts['silently cut']} silently cut, {len(words)} rules broken"
        )
        lines = [head]
        lines += [f"  {count:>7} {what}" for what, count in sorted(self.verdicts.items())]
        lines.append("what happened:")
        lines += [f"  {count:>7} {what}" for what, count in sorted(self.counts.items())]
        lines.append(f"  {self.virtual_s:>7.0f} virtual seconds in {self.real_s:.1f} real ones")
        lines += [f"BREACH at {at:.3f} s: {words}" for at, words in self.breaches]
        lines.append(f"again: python -m rbee.testing.simulation {self.arguments()}")
        return "\n".join(lines)

    def arguments(self) -> str:
        """The command line that plays the same again."""
        usual = Scenario(seed=0)
        given = {
            name: value
            for name, value in msgspec.structs.asdict(self.scenario).items()
            if name == "seed" or value != getattr(usual, name)
        }
        return " ".join(f"--{name.replace('_', '-')} {value}" for name, value in given.items())


def run(scenario: Scenario, parts: Parts | None = None) -> Report:
    """Play a scenario in a loop of its own; ``parts`` may be broken ones."""
    began = time.perf_counter()
    report = clock.run(_play(scenario, parts))
    report.real_s = time.perf_counter() - began
    return report


async def _play(scenario: Scenario, parts: Parts | None) -> Report:
    stage = Stage(scenario, parts)
    began = stage.world.now
    await stage.play()
    report = Report(
        scenario=scenario,
        verdicts=stage.verdicts(),
        counts=stage.world.notes.counts,
        breaches=stage.world.notes.breaches,
        virtual_s=stage.world.now - began,
        real_s=0.0,
    )
    await stage.take_apart()
    return report
