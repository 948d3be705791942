"""Workers killed in the middle of answers: a small part of ``benchmarks/kill_drill.py``."""

import sys
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from rbee.testing.colony import Colony
from rbee.testing.killing import drill
from rbee.testing.nursery import Nursery
from rbee.testing.real_kills import CONTEXT_TOKENS, real_drill, starter_colony
from rbee.testing.workers import WorkerUnderTest, running_worker

pytestmark = [
    pytest.mark.system,
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGSTOP"),
]


@pytest.fixture(scope="module")
def direct(
    tmp_path_factory: pytest.TempPathFactory, starter_path: Path
) -> Iterator[WorkerUnderTest]:
    """An engine of one's own to ask what an answer should have been."""
    with running_worker(
        tmp_path_factory.mktemp("direct"),
        engine="xllamacpp",
        model=starter_path,
        context=CONTEXT_TOKENS,
        slots=1,
    ) as worker:
        worker.wait_ready()
        yield worker


async def test_answers_of_killed_scripted_workers_are_whole_to_the_byte(
    colony: Colony, tmp_path: Path
) -> None:
    queen = colony.queen(quiet_s="0.2")
    found = await drill(queen.url, tmp_path / "nursery", answers=20, seed=4)
    assert found.bad == []
    assert found.deaths >= 20


@pytest.mark.parametrize(("workers", "kills"), [(2, 3), (1, 2)])
async def test_a_killed_engine_is_gone_on_for_by_a_warm_one_or_a_cold_one(
    workers: int, kills: int, tmp_path: Path, starter_path: Path, direct: WorkerUnderTest
) -> None:
    with starter_colony(tmp_path, starter_path, workers=workers) as queen:
        found = await real_drill(queen, direct, kills=kills, workers=workers, seed=workers)
    assert found.bad == []
    assert found.deaths == kills


async def test_the_openai_client_notices_nothing(colony: Colony, tmp_path: Path) -> None:
    queen = colony.queen(quiet_s="0.2")
    words = 'Tell. [[script {"tokens": 30, "half_chunk_at_token": 9, "half_chunk_bytes": 77}]]'
    async with (
        Nursery(tmp_path / "nursery", queen.url, size=3) as nursery,
        openai.AsyncOpenAI(base_url=f"{queen.url}/v1", api_key="none", max_retries=0) as client,
    ):
        stream = await client.chat.completions.create(
            model="drill",
            messages=[{"role": "user", "content": words}],
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in stream]
        whole = await client.chat.completions.create(
            model="drill", messages=[{"role": "user", "content": words}]
        )
        assert nursery.deaths == 2
    said = "".join(row.choices[0].delta.content or "" for row in chunks if row.choices)
    assert said == whole.choices[0].message.content
    assert len(said.split()) == 30
    assert [row.usage for row in chunks if row.usage] == [whole.usage]
    assert len({row.id for row in chunks}) == 1
