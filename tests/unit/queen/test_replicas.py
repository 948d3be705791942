"""How many workers a model gets: growth that pays, shrinking that does not flap, keep-alive."""

import msgspec

from rbee.queen.placement_settings import ModelPlacement, PlacementSettings
from rbee.queen.scheduling.replicas import Idle, Load, Retire, to_retire, wants_more
from unit.queen.views import settings_of

LOAD = Load(
    model="m",
    waiting=40,
    oldest_waited_s=5.0,
    workers=1,
    coming=0,
    slots=4,
    service_s=2.0,
    load_s=5.0,
)
USUAL = PlacementSettings()


def more(settings: PlacementSettings = USUAL, **facts: object) -> str | None:
    return wants_more(msgspec.structs.replace(LOAD, **facts), settings)


def test_one_more_worker_must_save_more_waiting_than_its_load_costs() -> None:
    assert more() == "40 wait for about 20 s, and a load takes 5 s"
    assert more(load_s=10.1) is None  # it would halve the wait: 10 s saved
    assert more(load_s=9.9) is not None
    assert more(workers=3, slots=12, load_s=2.0) is None  # a third more slots save 1.7 s of 6.7
    assert more(workers=3, slots=12, load_s=1.5) is not None


def test_a_queue_that_is_young_or_empty_wants_nothing() -> None:
    assert more(oldest_waited_s=1.9) is None
    assert more(waiting=0) is None
    assert more(coming=1) is None


def test_without_measured_answers_having_waited_for_a_load_is_reason_enough() -> None:
    assert more(service_s=None, oldest_waited_s=4.9) is None
    assert more(service_s=None, oldest_waited_s=5.1) is not None
    assert more(service_s=None, load_s=None, oldest_waited_s=19.0) is None
    assert more(service_s=None, load_s=None, oldest_waited_s=20.0) is not None


def test_there_is_a_largest_number_for_all_and_for_one() -> None:
    assert more(workers=4, load_s=1.0) is None
    assert more(settings_of(m=ModelPlacement(replicas_max=8)), workers=4, load_s=1.0) is not None
    assert more(settings_of(m=ModelPlacement(replicas_max=1))) is None


def idle(worker_id: str, idle_s: float, **facts: object) -> Idle:
    one = Idle(worker_id=worker_id, hive_id="h", model="m", idle_s=idle_s)
    return msgspec.structs.replace(one, **facts)


def retired(*workers: Idle, settings: PlacementSettings = USUAL) -> Retire | None:
    return to_retire(workers, settings, waiting=False)


def test_the_last_worker_goes_after_its_keep_alive() -> None:
    assert retired(idle("a", 899.0)) is None
    assert retired(idle("a", 900.0)) == Retire("a", "h", "m", "keep_alive")
    own = settings_of(m=ModelPlacement(keep_alive_s=5.0))
    assert retired(idle("a", 5.0), settings=own) is not None


def test_an_extra_worker_goes_sooner_and_one_at_a_time() -> None:
    both = (idle("a", 130.0), idle("b", 500.0))
    assert retired(*both) == Retire("b", "h", "m", "shrink")
    assert retired(idle("a", 130.0)) is None
    assert retired(idle("a", 0.0), idle("b", 119.0)) is None


def test_nobody_goes_while_somebody_waits() -> None:
    assert to_retire([idle("a", 5000.0)], USUAL, waiting=True) is None


def test_a_persons_worker_one_at_work_and_a_pinned_model_stay() -> None:
    assert retired(idle("a", 5000.0, manual=True)) is None
    assert retired(idle("a", 5000.0, in_use=True)) is None
    pinned = settings_of(m=ModelPlacement(pinned=True))
    assert retired(idle("a", 5000.0), settings=pinned) is None
    assert retired(idle("a", 5000.0), idle("b", 9.0), settings=pinned) is not None
    two = settings_of(m=ModelPlacement(replicas_min=2))
    assert retired(idle("a", 5000.0), idle("b", 5000.0), settings=two) is None


def test_a_load_that_comes_and_goes_starts_and_stops_hardly_anything() -> None:
    workers, starts, stops = {"a": 0.0}, 0, 0
    for second in range(3600):
        busy = second % 60 < 30  # half a minute of load, half a minute of silence
        waiting = 40 if busy else 0
        if more(waiting=waiting, workers=len(workers), slots=4 * len(workers)) is not None:
            starts += 1
            workers[f"w{starts}"] = 0.0
        workers = {name: 0.0 if busy else idle_s + 1 for name, idle_s in workers.items()}
        found = retired(*(idle(name, idle_s) for name, idle_s in workers.items()))
        if found is not None:
            stops += 1
            del workers[found.worker_id]
    assert starts <= USUAL.replicas_max - 1
    assert stops == 0
