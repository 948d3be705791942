"""More models than room: a shuffled burst, and how many loads it costs.

One hive with room for a single worker, requests for all models at once. Without swap
control each request would evict the model that the one before had loaded; the queen is
to serve model by model: at most K + 1 loads for K models.
"""

import asyncio

import msgspec

from rbee.testing.simulation import clock
from rbee.testing.simulation.clients import Client, asks
from rbee.testing.simulation.stage import SETTLE_S, Stage
from rbee.testing.simulation.world import Scenario

PATIENCE_S = 290.0  # below the longest wait: nobody may be refused


class Burst(msgspec.Struct, kw_only=True):
    """What a burst cost. ``loads`` are processes started, ``bad`` the verdicts but "whole"."""

    models: int
    loads: int
    bad: list[str]
    breaches: list[tuple[float, str]]
    virtual_s: float


def burst(models: int, *, requests: int, seed: int) -> Burst:
    """Play a shuffled burst over ``models`` models with room for one worker."""
    return clock.run(_play(models, requests, seed))


async def _play(models: int, requests: int, seed: int) -> Burst:
    scenario = Scenario(
        seed=seed,
        requests=requests,
        kills=0,
        hives=1,
        rooms=1,
        replicas=0,
        models=models,
        rate_per_s=float(requests),
        hive_crashes=0,
        partitions=0,
        loss=0.0,
        doubled=0.0,
        failing_loads=0.0,
        jobs=0.0,
        leavers=0.0,
        slow_readers=0.0,
        slow_hives=0,
    )
    stage = Stage(scenario)
    stage.start()
    await asyncio.sleep(SETTLE_S)
    began = stage.world.now
    for ask in asks(stage.world):
        client = Client(stage.world, ask)
        stage.clients.append(client)
        stage.admit(client)
    while any(one.verdict is None for one in stage.clients):
        await asyncio.sleep(0.1)
        if stage.world.now - began > PATIENCE_S:
            break
    found = Burst(
        models=models,
        loads=stage.world.notes.counts["loads"],
        bad=[one.verdict or "lost" for one in stage.clients if one.verdict != "whole"],
        breaches=stage.world.notes.breaches,
        virtual_s=stage.world.now - began,
    )
    await stage.take_apart()
    return found
