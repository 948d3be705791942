"""When an engine is taken for hung, and when it is only slow, silent or idle."""

from rbee.hive.engines.engine import Reading
from rbee.hive.workers.stillness import SILENT_FACTOR, Stillness

HANG_S = 60.0
IDLE = Reading(slots_total=2, slots_busy=0, tokens_total=5, steps=5)
BUSY = Reading(slots_total=2, slots_busy=1, tokens_total=5, steps=5)
SILENT = Reading()


def looks(*readings: Reading, every_s: float = 10.0) -> list[str | None]:
    stillness = Stillness(HANG_S, 0.0)
    return [stillness.look(each, every_s * (n + 1)) for n, each in enumerate(readings)]


def test_busy_without_a_step_for_too_long_is_a_hang() -> None:
    seen = looks(*[BUSY] * 9)
    assert seen[:7] == [None] * 7
    assert "no token for 70 s" in (seen[7] or "")


def test_idle_is_never_a_hang() -> None:
    assert not any(looks(*[IDLE] * 100))


def test_a_long_prompt_that_goes_on_step_by_step_is_no_hang() -> None:
    steps = [Reading(slots_busy=1, tokens_total=5, steps=float(n // 5)) for n in range(100)]
    assert not any(looks(*steps))


def test_an_engine_without_counters_is_never_judged() -> None:
    assert not any(looks(*[Reading(slots_busy=1)] * 100))


def test_silence_stops_the_clock_and_is_borne_longer() -> None:
    assert not any(looks(*[BUSY] * 6, *[SILENT] * 20, *[BUSY] * 6))
    seen = looks(BUSY, *[SILENT] * (6 * SILENT_FACTOR + 1))
    assert not any(seen[:-1])
    assert "told nothing" in (seen[-1] or "")
