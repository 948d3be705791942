"""The queen is killed in mid-answer; her jobs go on, and their clients read on.

Real processes: a queen, a hive and a scripted worker. The client is the keeper's
own, which reconnects with the id of the last event that it saw.
"""

import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from rbee.client.queen import QueenClient
from rbee.contracts.jobs import Infer
from rbee.testing.colony import Colony, DaemonUnderTest
from rbee.testing.waiting import until_now
from system.queen_drill import Drill, Reader

pytestmark = [pytest.mark.system, pytest.mark.anyio]

TOKENS = 60
KILLED_AT = (7, 21, 40)
KILLS = 4  # of whoever; by hand with more
WITHIN_S = 60.0
CANARY = "canary-prompt-that-stands-in-no-log"
PROMPT = f'{CANARY} [[script {{"tokens": {TOKENS}, "delay_token_s": 0.06}}]]'
CRASHING = f'{CANARY} [[script {{"tokens": {TOKENS}, "crash_at_token": 10}}]]'
SLOW = f'{CANARY} [[script {{"tokens": {TOKENS}, "delay_token_s": 0.2}}]]'


@pytest.fixture
def colony(tmp_path: Path) -> Iterator[Colony]:
    with Colony(tmp_path) as colony:
        yield colony


def asked(prompt: str = PROMPT) -> Infer:
    return Infer(model="scripted", prompt=prompt, max_tokens=500, temperature=0)


async def until(condition: Callable[[], bool]) -> None:
    """Wait in a thread that sleeps: the processes under test need the cores."""
    await anyio.to_thread.run_sync(lambda: until_now(condition, within_s=WITHIN_S))


async def restarted(queen: DaemonUnderTest) -> None:
    await anyio.to_thread.run_sync(queen.kill)
    await anyio.to_thread.run_sync(queen.start)


async def test_jobs_go_on_after_the_queen_was_killed(colony: Colony) -> None:
    queen = colony.queen()
    colony.hive()
    async with QueenClient(queen.url, key=None) as client:
        whole = Reader((await client.jobs.submit(asked())).job_id)
        with anyio.fail_after(WITHIN_S):
            await whole.read(client)
        assert whole.tokens == TOKENS
        readers = [Reader((await client.jobs.submit(asked())).job_id) for _ in range(3)]
        with anyio.fail_after(WITHIN_S):
            async with anyio.create_task_group() as reading:
                for reader in readers:
                    reading.start_soon(reader.read, client)
                for tokens in KILLED_AT:
                    await until(lambda tokens=tokens: readers[0].tokens >= tokens)
                    await restarted(queen)
        for reader in readers:
            assert reader.text == whole.text
            assert [event.seq for event in reader.events] == list(range(1, len(reader.events) + 1))
            assert reader.actions[-1] == "infer_complete"
            assert reader.actions.count("infer_complete") == 1
            state = await client.jobs.state(reader.job_id)
            assert (state.status, state.events) == ("completed", len(reader.events) + 1)
        # A later kill finds the job at its end when the machine is slow.
        assert 1 <= readers[0].actions.count("infer_resumed") <= len(KILLED_AT)
        done = readers[0].events[-1].data
        assert done["finish_reason"] == whole.events[-1].data["finish_reason"]
        counts = ("prompt_tokens", "completion_tokens", "total_tokens")
        for name in counts:
            assert done["usage"][name] == whole.events[-1].data["usage"][name]
    assert not _logs_with(colony, CANARY), "a prompt stands in a log"


async def test_a_queen_that_is_stopped_lets_go_of_her_jobs(colony: Colony) -> None:
    queen = colony.queen()
    colony.hive()
    async with QueenClient(queen.url, key=None) as client:
        reader = Reader((await client.jobs.submit(asked(SLOW))).job_id)
        with anyio.fail_after(WITHIN_S):
            async with anyio.create_task_group() as reading:
                reading.start_soon(reader.read, client)
                await until(lambda: reader.tokens >= 2)
                queen.send(signal.SIGINT)
                queen.send(signal.SIGINT)  # in a hurry: running answers are not waited for
                await anyio.to_thread.run_sync(queen.wait_end)
                assert reader.actions[-1] == "token", "the job has not ended"
                await anyio.to_thread.run_sync(queen.start)
                await until(lambda: "infer_resumed" in reader.actions)
                await client.jobs.cancel(reader.job_id)
        assert reader.actions[-1] == "cancelled"


async def test_a_job_says_that_its_worker_was_lost(colony: Colony) -> None:
    queen = colony.queen()
    colony.hive()
    async with QueenClient(queen.url, key=None) as client:
        reader = Reader((await client.jobs.submit(asked(CRASHING))).job_id)
        with anyio.fail_after(WITHIN_S):
            await reader.read(client)
    resumed = reader.actions.index("infer_resumed")
    assert reader.events[resumed].data["reason"] == "worker_lost"
    assert reader.events[resumed].data["pieces"] == reader.actions[:resumed].count("token") == 9
    assert (reader.tokens, reader.actions[-1]) == (TOKENS, "infer_complete")


async def test_whoever_is_killed_every_job_is_answered_once(colony: Colony) -> None:
    seed = random.SystemRandom().randint(0, 1_000_000)
    with anyio.fail_after(5 * WITHIN_S):
        found = await Drill(colony, seed).run(KILLS)
    assert found["wrong"] == [], f"seed {seed}: {found}"


def _logs_with(colony: Colony, words: str) -> list[Path]:
    logs = [path for path in colony.root.rglob("*.log*") if path.is_file()]
    assert logs
    return [path for path in logs if words in path.read_text(errors="replace")]
