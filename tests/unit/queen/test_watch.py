"""Silence and the watch: a hive that restarts costs no request, a dead worker none."""

import anyio
import pytest

from rbee.queen.registry.colony import Colony
from rbee.queen.watch import Watch
from rbee.testing.raw_worker import Conversation, beat, raw_worker, ready_worker
from rbee.testing.waiting import until

pytestmark = pytest.mark.anyio

SILENT_FOR_S = 5.0


def silent_colony(port: int) -> Colony:
    """A colony whose hive has been silent for five seconds."""
    colony = Colony(hostname="here")
    colony.beat(beat([ready_worker("w1", port)]), anyio.current_time() - SILENT_FOR_S)
    return colony


async def test_a_silent_hives_worker_stays_in_use_while_it_answers() -> None:
    async def healthy(conversation: Conversation) -> None:
        await conversation.answer(200, {"status": "ok"})

    async with raw_worker(healthy) as port:
        colony = silent_colony(port)
        heard: list[int] = []
        colony.subscribe(lambda: heard.append(1))
        async with anyio.create_task_group() as loops:
            loops.start_soon(Watch(colony).run)
            await until(lambda: colony.hives()[0].state == "degraded")
            await until(lambda: colony.is_serving("w1"))
            assert heard
            loops.cancel_scope.cancel()


async def test_a_silent_hives_worker_that_nobody_listens_for_is_dead() -> None:
    async with raw_worker(Conversation.left) as port:
        pass
    colony = silent_colony(port)
    async with anyio.create_task_group() as loops:
        loops.start_soon(Watch(colony).run)
        await until(lambda: not colony.to_probe(anyio.current_time()))
        loops.cancel_scope.cancel()
    colony.beat(beat([ready_worker("w1", port)], at=2.0), anyio.current_time())
    assert colony.serving("m") == []


async def test_a_worker_that_says_nothing_is_neither_used_nor_dead() -> None:
    async with raw_worker(Conversation.left) as port:
        colony = silent_colony(port)
        async with anyio.create_task_group() as loops:
            loops.start_soon(Watch(colony).run)
            await until(lambda: colony.hives()[0].state == "degraded")
            assert colony.serving("m") == []
            loops.cancel_scope.cancel()
        colony.beat(beat([ready_worker("w1", port)], at=2.0), anyio.current_time())
        assert len(colony.serving("m")) == 1
