"""Kill queen, hive or worker at random moments under a stream of jobs, and read every job to its end.

Used by ``test_queen_killed.py``; with more kills by hand:
``PYTHONPATH=tests python tests/system/queen_drill.py KILLS SEED``.
"""

import asyncio
import contextlib
import json
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import aclosing
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import psutil

from rbee.client.queen import QueenClient
from rbee.contracts.jobs import Infer, JobEvent
from rbee.errors import RbeeError
from rbee.testing.colony import Colony, DaemonUnderTest

TOKENS = 30
AT_ONCE = 3
PAUSE_S_MAX = 2.5  # between two kills: a job takes one and a half
POST_WITHIN_S = 60.0
PROMPT = f'drill [[script {{"tokens": {TOKENS}, "delay_token_s": 0.05}}]]'


class Reader:
    """A client that reads one job to its end, whatever happens to the queen."""

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        self.events: list[JobEvent] = []

    async def read(self, client: QueenClient) -> None:
        """Read until the job has ended; raises what it failed with."""
        async with aclosing(client.jobs.events(self.job_id)) as found:
            async for event in found:
                self.events.append(event)

    @property
    def text(self) -> str:
        """The answer so far."""
        return "".join(event.message for event in self.events if event.action == "token")

    @property
    def tokens(self) -> int:
        """How many token events came."""
        return sum(event.action == "token" for event in self.events)

    @property
    def actions(self) -> list[str]:
        """What happened, in order."""
        return [event.action for event in self.events]


class Drill:
    """One run: what was killed, and what became of the jobs."""

    def __init__(self, colony: Colony, seed: int) -> None:
        self.colony = colony
        self.dice = random.Random(seed)  # noqa: S311  a drill is no secret
        self.queen = colony.queen()
        self.hive = colony.hive()
        self.killed: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.over = False

    async def run(self, kills: int) -> dict[str, Any]:
        """Kill so often; then let what runs come to its end."""
        async with QueenClient(self.queen.url, key=None) as client:
            first = Reader(await self._posted(client, stream=True))
            await first.read(client)
            async with anyio.create_task_group() as clients:
                for number in range(AT_ONCE):
                    clients.start_soon(self._ask_on, client, first.text, number != 0)
                for _ in range(kills):
                    await anyio.sleep(self.dice.random() * PAUSE_S_MAX)
                    await anyio.to_thread.run_sync(self._kill_one)
                self.over = True
        return {
            "killed": dict(self.killed),
            "ended": dict(self.ended),
            "wrong": self.wrong,
        }

    def _kill_one(self) -> None:
        victim = self.dice.choices(["queen", "hive", "worker"], weights=[6, 1, 1])[0]
        self.killed[victim] += 1
        if victim == "worker":
            for process in self.colony.worker_processes():
                with contextlib.suppress(psutil.Error):
                    if "rbee.worker" in process.cmdline():
                        process.kill()
            return
        daemon: DaemonUnderTest = self.queen if victim == "queen" else self.hive
        daemon.kill()
        daemon.start()

    async def _posted(self, client: QueenClient, *, stream: bool) -> str:
        """Post until somebody accepts it: a queen that is down accepts nothing."""
        wish = Infer(model="scripted", prompt=PROMPT, max_tokens=500, temperature=0, stream=stream)
        until_s = time.monotonic() + POST_WITHIN_S
        while True:
            try:
                return (await client.jobs.submit(wish)).job_id
            except RbeeError:
                if time.monotonic() > until_s:
                    raise
                await anyio.sleep(0.1)

    async def _ask_on(self, client: QueenClient, whole: str, stream: bool) -> None:
        while not self.over:
            reader = Reader(await self._posted(client, stream=stream))
            try:
                await reader.read(client)
            except RbeeError as error:
                self.ended[error.code] += 1
                self.wrong.append(f"{reader.job_id} failed: {error.message}")
                continue
            self.ended[reader.actions[-1]] += 1
            ids = [event.seq for event in reader.events]
            if reader.text != whole:
                self.wrong.append(f"{reader.job_id} said {reader.text!r}")
            if ids != list(range(1, len(ids) + 1)):
                self.wrong.append(f"{reader.job_id} has gaps or doubles: {ids}")
            if reader.actions.count("infer_complete") != 1:
                self.wrong.append(f"{reader.job_id} did not end once: {reader.actions}")


def main(kills: int, seed: int) -> None:
    """Run it in a colony of its own and print what was found."""
    with tempfile.TemporaryDirectory() as folder, Colony(Path(folder)) as colony:
        found = asyncio.run(Drill(colony, seed).run(kills))
    sys.stdout.write(json.dumps({"kills": kills, "seed": seed, **found}, indent=1) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
