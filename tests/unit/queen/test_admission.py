"""Admission over a real registry and router: slots, lines, places, refusals, what is told."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from statistics import fmean
from time import perf_counter

import msgspec
import pytest

from rbee.contracts.principals import LOCAL, Principal
from rbee.contracts.workers import WorkerStats
from rbee.errors import DeadlineExceeded, QueueFull, WorkerNotFound
from rbee.queen.inference.admission import Admission, Grant, Limits, Waiting
from rbee.queen.inference.call import Call
from rbee.queen.registry.colony import Colony
from rbee.queen.scheduling.demand import Demand
from rbee.queen.scheduling.eta import RETRY_DEFAULT_S
from rbee.testing.raw_worker import beat, ready_worker
from rbee.testing.waiting import until

pytestmark = pytest.mark.anyio

HEAVY = Principal("key:heavy", "heavy")
LIGHT = Principal("key:light", "light")


class Stand:
    """Admission in front of workers that exist in the registry alone."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.colony = Colony()
        self.demand = Demand()
        self.admission = Admission(self.colony, self.demand, limits or Limits())
        self.held: list[tuple[str, Grant]] = []  # by whom, in the order of granting
        self.told: list[Waiting] = []
        self._beats = 1.0

    def workers(self, *workers: WorkerStats, load_s: float | None = None) -> None:
        self._beats += 1
        told = beat(workers, at=self._beats)
        for model in told.models or []:
            model.load_s = load_s
        self.colony.beat(told, self._beats)

    async def ask(self, call: Call, name: str = "") -> Grant:
        async def on_wait(waiting: Waiting) -> None:
            self.told.append(waiting)

        grant = await self.admission.admit(call, on_wait)
        self.held.append((name, grant))
        return grant

    async def release_all(self, count: int) -> str:
        """Give slots back in the order of granting, until ``count`` were granted."""
        for given in range(count):
            await until(lambda given=given: len(self.held) > given)
            self.held[given][1].release()
        return "".join(name for name, _ in self.held)


def stand(*, workers: int = 1, slots: int = 1, limits: Limits | None = None) -> Stand:
    made = Stand(limits)
    made.workers(*[ready_worker(f"w{i}", 9000 + i, slots=slots) for i in range(workers)])
    return made


def call(
    principal: Principal = LOCAL,
    *,
    model: str = "m",
    priority: int = 0,
    worker_id: str | None = None,
    hive_id: str | None = None,
    deadline_s: float | None = None,
) -> Call:
    return Call(
        job_id="job-1",
        model=model,
        path="/v1/completions",
        body=b"{}",
        stream=True,
        principal=principal,
        priority=priority,
        worker_id=worker_id,
        hive_id=hive_id,
        deadline_s=deadline_s,
    )


async def ended(tasks: Sequence[asyncio.Task[Grant]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_free_slot_is_given_at_once_and_counted_exactly() -> None:
    made = stand(workers=2, slots=2)
    grants = [made.admission.try_admit(call()) for _ in range(5)]
    assert grants[4] is None
    taken = [grant for grant in grants if grant is not None]
    assert Counter(grant.worker.worker_id for grant in taken) == {"w0": 2, "w1": 2}
    for grant in taken:
        assert not made.admission.idle.is_set()
        grant.release()
        grant.release()
    assert made.admission.idle.is_set()
    assert all(made.admission.try_admit(call()) for _ in range(4))


async def test_a_key_that_sends_nine_tenths_takes_turns_with_the_other() -> None:
    async def order_of(heavy: int, light: int) -> str:
        made = stand()
        first = made.admission.try_admit(call(HEAVY))
        assert first is not None
        names = [*["h"] * heavy, *["l"] * light]
        who = {"h": HEAVY, "l": LIGHT}
        tasks = [asyncio.create_task(made.ask(call(who[name]), name)) for name in names]
        await until(lambda: made.demand.total == len(names))
        first.release()
        order = await made.release_all(len(names))
        await asyncio.gather(*tasks)
        return order

    crowded, equal = await order_of(90, 10), await order_of(10, 10)
    waits = [[at for at, name in enumerate(order) if name == "l"] for order in (crowded, equal)]
    assert len(crowded) == 100
    assert fmean(waits[0]) <= 1.10 * fmean(waits[1])


async def test_the_more_urgent_goes_first() -> None:
    made = stand()
    first = made.admission.try_admit(call())
    assert first is not None
    tasks: list[asyncio.Task[Grant]] = []
    for name, priority in [("a", 0), ("b", -10), ("c", 10)]:
        tasks.append(asyncio.create_task(made.ask(call(priority=priority), name)))
    await until(lambda: made.demand.total == 3)
    assert [row.priority for row in made.demand.wanted()] == [10]
    first.release()
    assert await made.release_all(3) == "cab"
    await asyncio.gather(*tasks)


async def test_who_lost_its_worker_goes_to_the_head_of_a_full_line() -> None:
    made = stand(limits=Limits(waiting_per_model_max=2))
    first = made.admission.try_admit(call())
    assert first is not None
    waiting = [asyncio.create_task(made.ask(call(priority=100), "waited")) for _ in range(2)]
    await until(lambda: made.demand.total == 2)
    again = asyncio.create_task(made.admission.admit(call(), again=True))
    await until(lambda: made.demand.total == 3)
    first.release()
    (await again).release()
    assert await made.release_all(2) == "waitedwaited"
    await asyncio.gather(*waiting)


async def test_who_waits_for_a_named_worker_blocks_nobody_and_gets_that_worker() -> None:
    made = stand(workers=2)
    one = made.admission.try_admit(call(worker_id="w0"))
    other = made.admission.try_admit(call(worker_id="w1"))
    assert one is not None
    assert other is not None
    named = asyncio.create_task(made.ask(call(worker_id="w0"), "named"))
    await until(lambda: made.demand.total == 1)
    anyone = asyncio.create_task(made.ask(call(), "any"))
    await until(lambda: made.demand.total == 2)
    other.release()
    assert (await anyone).worker.worker_id == "w1"
    assert not named.done()
    one.release()
    assert (await named).worker.worker_id == "w0"
    with pytest.raises(WorkerNotFound):
        made.admission.try_admit(call(worker_id="w9"))


async def test_a_newcomer_takes_what_nobody_in_line_can_use() -> None:
    made = stand(workers=2)
    one = made.admission.try_admit(call(worker_id="w0"))
    assert one is not None
    named = asyncio.create_task(made.ask(call(worker_id="w0")))
    await until(lambda: made.demand.total == 1)
    passed = made.admission.try_admit(call())
    assert passed is not None
    assert passed.worker.worker_id == "w1"
    await ended([named])


async def test_a_wish_for_a_hive_that_is_full_is_served_by_another() -> None:
    made = stand()
    elsewhere = beat([ready_worker("x0", 9100, slots=1)], hive_id="other")
    made.colony.beat(elsewhere, 9.0)
    wished = [made.admission.try_admit(call(hive_id="other")) for _ in range(2)]
    assert [grant and grant.worker.worker_id for grant in wished] == ["x0", "w0"]


async def test_a_full_queue_says_when_to_come_back_as_it_was_measured() -> None:
    made = stand(limits=Limits(waiting_per_model_max=8))
    first = made.admission.try_admit(call())
    assert first is not None
    tasks = [asyncio.create_task(made.ask(call())) for _ in range(8)]
    await until(lambda: made.demand.total == 8)
    with pytest.raises(QueueFull, match="8 requests wait for 'm'") as refused:
        await made.admission.wait(call())
    assert refused.value.retry_after_s == RETRY_DEFAULT_S
    for _ in range(20):
        made.demand.service.note("m", "local", 7.5)
    made.workers(ready_worker("w0", 9000, slots=1), ready_worker("w1", 9001, model="n"))
    await asyncio.sleep(0.02)  # the colony's changes are gathered for 5 ms
    with pytest.raises(QueueFull) as refused:
        await made.admission.wait(call())
    assert refused.value.retry_after_s == 30  # half of eight, one slot, 7.5 s each
    await ended(tasks)


@pytest.mark.parametrize(
    "limits", [Limits(waiting_per_model_max=6), Limits(waiting_max=6)], ids=["model", "colony"]
)
async def test_in_a_full_queue_the_latest_of_the_key_with_the_most_makes_room(
    limits: Limits,
) -> None:
    made = stand(limits=limits)
    first = made.admission.try_admit(call(HEAVY))
    assert first is not None
    heavy = [asyncio.create_task(made.ask(call(HEAVY))) for _ in range(6)]
    await until(lambda: made.demand.total == 6)
    light = [asyncio.create_task(made.ask(call(LIGHT))) for _ in range(3)]
    await until(lambda: made.demand.held.get(LIGHT.id) == 3)
    assert made.demand.held == {HEAVY.id: 3, LIGHT.id: 3}
    await until(lambda: sum(task.done() for task in heavy) == 3)
    assert [task.done() for task in heavy] == [False] * 3 + [True] * 3
    for task in heavy[3:]:
        with pytest.raises(QueueFull, match="made room"):
            await task
    for principal in (HEAVY, LIGHT):
        with pytest.raises(QueueFull):
            await made.admission.wait(call(principal))
    await ended([*heavy[:3], *light])


async def test_a_deadline_ends_the_wait() -> None:
    made = stand()
    assert made.admission.try_admit(call()) is not None
    with pytest.raises(DeadlineExceeded, match="deadline"):
        await made.admission.wait(call(deadline_s=0.02))
    assert made.demand.total == 0


async def test_a_slot_that_was_granted_to_who_has_just_left_is_not_lost() -> None:
    made = stand()
    first = made.admission.try_admit(call())
    assert first is not None
    leaving = asyncio.create_task(made.ask(call(), "left"))
    staying = asyncio.create_task(made.ask(call(), "stayed"))
    await until(lambda: made.demand.total == 2)
    first.release()
    leaving.cancel()
    grant = await staying
    assert [name for name, _ in made.held] == ["stayed"]
    assert leaving.cancelled()
    grant.release()
    assert made.admission.idle.is_set()
    assert made.demand.total == 0


async def test_the_eta_is_null_until_answers_were_measured() -> None:
    made = stand()
    first = made.admission.try_admit(call())
    assert first is not None
    task = asyncio.create_task(made.ask(call()))
    await until(lambda: made.told)
    assert made.told[0] == Waiting(
        position=1, waited_s=made.told[0].waited_s, reason="all slots of 1 worker(s) are in use"
    )
    await asyncio.sleep(0.05)
    first.release()
    again = asyncio.create_task(made.ask(call()))
    await until(lambda: len(made.told) > 1)
    await ended([again])
    (await task).release()
    mean_s = made.demand.service.mean_s("m")
    assert mean_s is not None
    assert mean_s >= 0.02


async def test_while_a_model_loads_the_eta_is_what_its_loads_took_before() -> None:
    made = Stand()
    starting = msgspec.structs.replace(ready_worker("w0", 9000), status="starting")
    made.workers(starting, load_s=40.0)
    assert made.admission.try_admit(call()) is None
    task = asyncio.create_task(made.ask(call()))
    await until(lambda: made.told)
    assert made.told[0].reason == "the model is loading"
    assert made.told[0].eta_s == pytest.approx(40.0, abs=0.5)
    made.workers(ready_worker("w0", 9000), load_s=40.0)
    grant = await task
    assert grant.worker.worker_id == "w0"
    grant.release()


async def test_a_thousand_who_wait_cost_each_release_next_to_nothing() -> None:
    keys = [Principal(f"key:{number}", str(number)) for number in range(50)]
    made = stand(limits=Limits(waiting_per_model_max=1000))
    first = made.admission.try_admit(call())
    assert first is not None

    async def one(principal: Principal) -> None:
        (await made.admission.admit(call(principal))).release()

    async with asyncio.TaskGroup() as tasks:
        for number in range(1000):
            tasks.create_task(one(keys[number % 50]))
        await until(lambda: made.demand.total == 1000)
        began = perf_counter()
        first.release()
        await until(lambda: not made.demand.total)
    assert perf_counter() - began < 4.0  # about 50 ms on a machine that does nothing else
    assert made.admission.idle.is_set()
