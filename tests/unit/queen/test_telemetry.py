"""Who listens to the live figures: from the present on, and not for ever behind it."""

from contextlib import aclosing

import anyio
import pytest

from rbee.queen.registry.colony import Colony
from rbee.queen.settings import SUBSCRIBER_EVENTS_MAX
from rbee.queen.telemetry import Telemetry
from rbee.testing.raw_worker import beat

pytestmark = pytest.mark.anyio

WITHIN_S = 5.0
HIVES = SUBSCRIBER_EVENTS_MAX + 200


async def test_a_colony_of_many_hives_is_told_whole_and_then_goes_on() -> None:
    colony = Colony(hostname="here")
    telemetry = Telemetry(colony, wall_clock=lambda: 100.0)
    for number in range(HIVES):
        colony.beat(beat([], hive_id=f"hive-{number}"), 1.0, near=True)
    async with aclosing(telemetry.messages()) as messages:
        assert b'"type":"queen"' in (await anext(messages) or b"")
        told = [await anext(messages) for _ in range(HIVES)]
        assert sum(b"hive_telemetry" in (one or b"") for one in told) == HIVES
        telemetry.beat(beat([], hive_id="hive-7", at=2.0))
        assert b'"hive-7"' in (await anext(messages) or b"")
    assert telemetry.listening == 0


async def test_who_falls_behind_is_cut_off() -> None:
    telemetry = Telemetry(Colony(hostname="here"), wall_clock=lambda: 100.0)
    with anyio.fail_after(WITHIN_S):
        async with aclosing(telemetry.messages()) as messages:
            await anext(messages)
            for number in range(SUBSCRIBER_EVENTS_MAX + 1):
                telemetry.beat(beat([], at=float(number)))
            assert len([one async for one in messages]) == SUBSCRIBER_EVENTS_MAX
