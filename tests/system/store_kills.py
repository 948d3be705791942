"""Kill whoever keeps jobs, again and again, and count what that cost. A program of its own.

``python store_kills.py DIRECTORY KILLS SEED``: a child process runs a job server on
a SQLite file; it accepts jobs, answers them token by token and has a subscriber
for each. The parent kills it (SIGKILL) after a random time and starts the next
one on the same file, which goes on. Whatever a child has told the outside world,
a POST's answer or a shown event, stands in a file that it appends to before it
goes on: the parent holds the store against that. A child is forked, because a
start costs 2 ms then and 400 ms otherwise. Prints what it found as JSON.
"""

import json
import os
import random
import signal
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import anyio

from rbee.foundation import jobserver
from rbee.foundation.job import Job
from rbee.foundation.jobserver import Handler, JobServer
from rbee.foundation.journal import Found
from rbee.foundation.sse import EventReader
from rbee.queen.store.choice import make_journal, make_store

TOKENS_MAX = 40
AT_ONCE = 4  # jobs in the air
LIFE_S_MAX = 0.12  # a life has some ten commits, on a machine that opens the store in OPENS_IN_S
OPENS_IN_S = 0.04


def token(job: str, number: int) -> str:
    return f"{job[-4:]}/{number} "


class Child:
    """One life of a server."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311  a drill is no secret
        self.directory = directory
        self.told = os.open(directory / "told", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self.journal = make_journal("sqlite", directory)
        self.jobs = JobServer(actor="queen", journal=self.journal)

    def tell(self, **what: object) -> None:
        """Let the outside world know, in one write."""
        os.write(self.told, json.dumps(what).encode() + b"\n")

    def recovered(self, found: Found) -> Handler:
        asked = json.loads(found.row.request or b"{}")
        said = sum(b'"type":"token"' in event.data for event in found.events)

        async def handler(job: Job) -> None:
            job.emit("infer_resumed", "")
            await self.say(job, asked["tokens"], said + 1)

        return handler

    async def say(self, job: Job, tokens: int, first: int = 1) -> None:
        for number in range(first, tokens + 1):
            job.emit("token", token(job.id, number), type="token")
            await anyio.sleep(self.random.random() * 0.004)

    async def post(self) -> Job:
        tokens = self.random.randint(1, TOKENS_MAX)

        async def fresh(job: Job) -> None:
            await self.say(job, tokens)

        request = json.dumps({"tokens": tokens}).encode()
        job = await self.jobs.accept("infer", fresh, request=request)
        self.tell(accepted=job.id, tokens=tokens)
        return job

    async def watch(self, job: Job, after: int) -> None:
        reader = EventReader()
        async for frame in job.frames(after):
            for event in reader.feed(frame):
                self.tell(job=job.id, id=int(event.id or 0), data=event.data)

    async def run(self, *, last: bool) -> None:
        self.jobs.recover_with(self.recovered)
        async with self.jobs, anyio.create_task_group() as group:
            await self.jobs.ready()
            seen = last_ids(self.directory)
            for job in self.jobs.list():
                if seen[job.id] < job.last_seq or not job.over:
                    group.start_soon(self.watch, job, seen[job.id])
            if last:
                return  # the group waits for the watchers
            while True:
                if sum(not job.over for job in self.jobs.list()) < AT_ONCE:
                    group.start_soon(self.watch, await self.post(), 0)
                await anyio.sleep(self.random.random() * 0.01)


def told(directory: Path) -> list[dict[str, Any]]:
    path = directory / "told"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def last_ids(directory: Path) -> dict[str, int]:
    """What each subscriber would send as its Last-Event-ID."""
    seen: dict[str, int] = defaultdict(int)
    for line in told(directory):
        if "job" in line:
            seen[line["job"]] = max(seen[line["job"]], line["id"])
    return seen


def live(directory: Path, seed: int, *, life_s: float | None) -> int:
    """Fork a child and kill it after ``life_s``; None lets it end. Gives its status."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            child = Child(directory, seed)
            anyio.run(lambda: child.run(last=life_s is None))
            status = 0
        finally:
            os._exit(status)
    if life_s is not None:
        time.sleep(life_s)
        os.kill(pid, signal.SIGKILL)
    return os.waitpid(pid, 0)[1]


def slowness(directory: Path, seed: int) -> float:
    """How much longer than usual this machine, now, takes to its first accepted job."""
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        try:
            child = Child(directory, seed)
            anyio.run(lambda: child.run(last=False))
        finally:
            os._exit(1)
    while not any("accepted" in line for line in told(directory)):
        time.sleep(0.002)
    took_s = time.monotonic() - began
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return min(10.0, max(1.0, took_s / OPENS_IN_S))


def check(directory: Path) -> dict[str, Any]:
    """Hold the store against what the world was told."""
    shown: dict[str, list[tuple[int, str]]] = defaultdict(list)
    accepted: dict[str, int] = {}
    for line in told(directory):
        if "accepted" in line:
            accepted[line["accepted"]] = line["tokens"]
        else:
            shown[line["job"]].append((line["id"], line["data"]))
    store = make_store("sqlite", directory)
    rows = {left.row.job_id: left.row for left in store.open()}
    wrong: list[str] = []
    for job_id, row in rows.items():
        if row.status != "completed":
            wrong.append(f"{job_id} is {row.status}: {row.error}")
        events = []
        while page := store.read(job_id, events[-1].seq if events else 0):
            events += page
        kept = [(event.seq, event.data.decode()) for event in events]
        if [seq for seq, _ in kept] != list(range(1, len(kept) + 1)):
            wrong.append(f"{job_id} has gaps in the store")
        if [data for _, data in kept].count("[DONE]") != 1 or kept[-1][1] != "[DONE]":
            wrong.append(f"{job_id} did not end once")
        words = [json.loads(data) for _, data in kept if data != "[DONE]"]
        said = "".join(word["message"] for word in words if word["type"] == "token")
        tokens = accepted.get(job_id, said.count(" "))
        if said != "".join(token(job_id, n) for n in range(1, tokens + 1)):
            wrong.append(f"{job_id} said something else: {said}")
        if shown[job_id] != kept:
            wrong.append(f"{job_id}: the subscriber saw something else than was kept")
    lost = sorted(set(accepted) - set(rows))
    restarts = [row.restarts for row in rows.values()]
    return {
        "accepted": len(accepted),
        "kept": len(rows),
        "lost": lost,
        "wrong": wrong,
        "resumed": sum(1 for count in restarts if count),
        "restarts": sum(restarts),
        "events": sum(map(len, shown.values())),
    }


def main(directory: Path, kills: int, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311  a drill is no secret
    jobserver.ENDED_KEPT_MAX = sys.maxsize  # all of them are looked at in the end
    life_s_max = LIFE_S_MAX * slowness(directory, seed)
    for kill in range(kills):
        # A third of the kills strike while the store opens and takes over.
        life_s = dice.random() * (life_s_max if kill % 3 else life_s_max / 6)
        live(directory, seed * 10_000 + kill, life_s=life_s)
    status = live(directory, seed, life_s=None)
    found = check(directory)
    sys.stdout.write(json.dumps({"kills": kills, "seed": seed, "status": status, **found}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
