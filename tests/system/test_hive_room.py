"""A real hive refuses a worker that has no room, and says what would have."""

from pathlib import Path

import pytest

from rbee.client.hive import HiveClient
from rbee.contracts.jobs import ModelDownload, WorkerSpawn
from rbee.errors import NoCapacity
from rbee.testing.colony import Colony

pytestmark = [pytest.mark.anyio, pytest.mark.system]

CONTEXT = 16_000_000  # 340 GiB of cache for the starter: more than any machine of tests


async def test_a_context_without_room_is_refused_before_the_launch(
    tmp_path: Path, starter_path: Path
) -> None:
    with Colony(tmp_path) as colony:
        hive = colony.hive()
        async with HiveClient(hive.url) as client:
            await client.jobs.collect(ModelDownload(model=str(starter_path)))
            spawn = WorkerSpawn(model=starter_path.stem, worker="cpu", context_length=CONTEXT)
            with pytest.raises(NoCapacity) as refused:
                await client.jobs.collect(spawn)
            said = refused.value
            assert "a context of 16,000,000 tokens has no room here" in said.message
            assert "may be used on CPU-0" in said.message
            assert said.remedy.startswith("A context of ")
            fits = WorkerSpawn(model=starter_path.stem, worker="cpu", context_length=512)
            events = await client.jobs.collect(fits)
            assert any(event.message.startswith("Memory: it fits:") for event in events)
