"""Real engines killed in the middle of answers, and every seam held against a direct call.

A colony with the starter model; its workers have one slot. When the client has
so many tokens of an answer, the worker is stopped (SIGSTOP), what was still on
its way is read, and then it is killed: so the text at the seam is known exactly.
What follows must be, at temperature 0 and without a prompt cache, what an engine
of its own says when it is asked directly for the rest of that text.
"""

import asyncio
import contextlib
import os
import random
import shutil
import signal
import time
from collections.abc import AsyncIterator, Generator, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import httpx2
import msgspec
import psutil

from rbee.testing.colony import Colony, DaemonUnderTest
from rbee.testing.killing import CHAT, COMPLETIONS, Tally
from rbee.testing.waiting import until_now
from rbee.testing.workers import WorkerUnderTest

MODEL: Final = "starter"
CONTEXT_TOKENS: Final = 2_048  # twenty of these answers; the cache stays small
READY_S: Final = 60.0  # a load takes a second; beside a second one on a busy machine, ten
ANSWER_S: Final = 120.0  # a cold start and forty tokens take five on a machine of two cores
QUIET_S: Final = 0.15  # what a stopped process wrote before arrives in a thousandth of that

_TOKENS_APART_MAX: Final = 3  # one a seam, and the end-of-text token
_BUSY_PCT: Final = 20.0  # an engine that generates takes a core or two, an idle one nothing
_TOPICS: Final = ("a fox", "the sea", "an old clock", "a lost key", "two bees", "snow", "a robot")


class Question(msgspec.Struct, kw_only=True):
    """One request, and after how many events of text its worker is killed."""

    chat: bool
    stream: bool
    topic: str
    max_tokens: int
    kill_at: int

    @property
    def path(self) -> str:
        """Where it is posted."""
        return CHAT if self.chat else COMPLETIONS

    def body(self, said: str = "", *, used: int = 0, stream: bool | None = None) -> dict[str, Any]:
        """The request, or a direct one for what follows ``said`` (``used`` tokens)."""
        asked: dict[str, Any] = {
            "model": MODEL,
            "stream": self.stream if stream is None else stream,
            "max_tokens": self.max_tokens - used,
            "temperature": 0,
            "cache_prompt": False,
        }
        if asked["stream"]:
            asked["stream_options"] = {"include_usage": True}
        if not self.chat:
            return asked | {"prompt": f"This is a story of {self.topic}. Once{said}"}
        messages = [{"role": "user", "content": f"Tell a long story of {self.topic}."}]
        if said:
            messages.append({"role": "assistant", "content": said})
        return asked | {"messages": messages}


class Outcome(msgspec.Struct, kw_only=True):
    """What became of one kill. ``pause_s`` is from the kill to the next event."""

    faults: list[str]
    killed: bool
    pause_s: float | None = None


def questions(count: int, *, seed: int) -> Iterator[Question]:
    """``count`` questions drawn from ``seed``: chats and completions, every sixth unary."""
    dice = random.Random(seed)  # noqa: S311  a drill that can be repeated, no secret
    for number in range(count):
        limit = dice.randint(16, 40)
        yield Question(
            chat=number % 2 == 0,
            stream=number % 6 != 5,  # noqa: PLR2004  the last of six
            topic=dice.choice(_TOPICS),
            max_tokens=limit,
            kill_at=dice.randint(1, limit - 4),
        )


@contextlib.contextmanager
def starter_colony(root: Path, starter: Path, *, workers: int) -> Generator[DaemonUnderTest]:
    """A queen and a hive with so many workers of the starter model, one slot each.

    The hive restarts what dies at once and for ever.
    """
    with Colony(root, scripted=False) as colony:
        queen = colony.queen()
        hive = colony.hive(
            start=False, restarts_max="1000", restart_window_s="1",
            context_length=str(CONTEXT_TOKENS), slots="1",
        )  # fmt: skip
        models = Path(hive.env["RBEE_CACHE_DIR"]) / "models"
        shutil.copytree(starter.parent, models / starter.parent.name, copy_function=os.link)
        hive.start()
        for _ in range(workers):
            spawn: dict[str, object] = {
                "operation": "worker_spawn",
                "model": MODEL,
                "worker": "cpu",
            }
            run_job(hive.url, spawn)
        _all_ready(queen, workers)
        yield queen


def run_job(url: str, operation: dict[str, object]) -> list[dict[str, Any]]:
    """Submit a job and read its events to the end."""
    accepted = httpx2.post(f"{url}/v1/jobs", json=operation, timeout=READY_S)
    accepted.raise_for_status()
    stream = httpx2.get(url + accepted.json()["sse_url"], timeout=READY_S)
    data = [line[6:] for line in stream.text.splitlines() if line.startswith("data: ")]
    return [msgspec.json.decode(line) for line in data if line != "[DONE]"]


def ready_pids(queen: DaemonUnderTest) -> dict[str, int]:
    """The process id of every worker that the queen calls ready."""
    events = run_job(queen.url, {"operation": "status"})
    told = next(event["data"] for event in events if event["action"] == "status_workers")
    workers: list[dict[str, Any]] = [row["worker"] for row in told]
    return {row["worker_id"]: row["pid"] for row in workers if row["status"] == "ready"}


async def kill_once(
    client: httpx2.AsyncClient, question: Question, pids: dict[str, int], direct: WorkerUnderTest
) -> Outcome:
    """Ask, kill whoever answers, and hold the answer against what ``direct`` says."""
    if not question.stream:
        return await _kill_unary(client, question, pids, direct)
    got = _Got()
    async with (
        asyncio.timeout(ANSWER_S),
        client.stream("POST", question.path, json=question.body()) as answer,
    ):
        if answer.status_code != HTTPStatus.OK:
            return Outcome(faults=[f"status {answer.status_code}"], killed=False)
        pid = pids[answer.headers["x-rbee-worker"]]
        reading = asyncio.create_task(got.read(answer.aiter_raw()))
        while not reading.done() and len(texts_of(got.body)) < question.kill_at:
            await got.more()
        said, killed_at = await _killed(pid, got)
        in_time = not reading.done()
        await reading
    faults = _faults_of(question, got.body, said, direct)
    pause_s = got.first_since(killed_at) - killed_at if in_time else None
    return Outcome(faults=faults, killed=in_time, pause_s=pause_s)


class _Got:
    """What came of an answer so far, and when."""

    def __init__(self) -> None:
        self.parts: list[tuple[float, bytes]] = []
        self._news = asyncio.Event()

    @property
    def body(self) -> bytes:
        """All of it."""
        return b"".join(part for _, part in self.parts)

    async def read(self, pieces: AsyncIterator[bytes]) -> None:
        """Read to the end."""
        try:
            async for part in pieces:
                self.parts.append((time.perf_counter(), part))
                self._news.set()
        finally:
            self._news.set()

    async def more(self) -> None:
        """Wait for the next piece, or the end."""
        await self._news.wait()
        self._news.clear()

    def first_since(self, moment: float) -> float:
        """When the first event after ``moment`` came; comments are none."""
        return next(at for at, part in self.parts if at > moment and b"data:" in part)


async def _killed(pid: int, got: _Got) -> tuple[str, float]:
    """Stop a process, read what it had written, kill it: the text at the seam, and when."""
    os.kill(pid, signal.SIGSTOP)
    before = -1
    while before != len(got.parts):
        before = len(got.parts)
        await asyncio.sleep(QUIET_S)
    said = "".join(texts_of(got.body))
    killed_at = time.perf_counter()
    os.kill(pid, signal.SIGKILL)
    return said, killed_at


async def _kill_unary(
    client: httpx2.AsyncClient, question: Question, pids: dict[str, int], direct: WorkerUnderTest
) -> Outcome:
    """The same for a client that does not stream: whoever is busy is killed after a moment."""
    asking = asyncio.create_task(client.post(question.path, json=question.body(), timeout=ANSWER_S))
    await asyncio.sleep(0.1 + question.kill_at * 0.015)  # some tokens are made, not all
    killed = False
    for pid in pids.values():
        if not asking.done() and psutil.Process(pid).cpu_percent(0.05) > _BUSY_PCT:
            os.kill(pid, signal.SIGKILL)
            killed = True
    answer = await asking
    if answer.status_code != HTTPStatus.OK:
        return Outcome(faults=[f"status {answer.status_code}: {answer.text[:300]}"], killed=killed)
    whole = answer.json()
    (choice,) = whole["choices"]
    text = choice["message"]["content"] if question.chat else choice["text"]
    faults: list[str] = []
    if choice["finish_reason"] not in {"length", "stop"}:
        faults.append(f"finish_reason {choice['finish_reason']!r}")
    with direct.client() as worker:
        prompt = _usage(worker, question.path, question.body(stream=False) | {"max_tokens": 1})[0]
        tokens = len(worker.post("/tokenize", json={"content": text}).json()["tokens"])
    # The seam is not known here, and a text in two parts may have a token more than in one.
    limited = choice["finish_reason"] == "length"
    expected = question.max_tokens if limited else whole["usage"]["completion_tokens"]
    if abs(expected - tokens) > _TOKENS_APART_MAX:
        faults.append(f"{tokens} tokens of text, {expected} counted")
    if (whole["usage"]["prompt_tokens"], whole["usage"]["completion_tokens"]) != (prompt, expected):
        faults.append(f"usage {whole['usage']}, expected {prompt} and {expected}")
    return Outcome(faults=faults, killed=killed)


# ── what must be true ─────────────────────────────────────────────────────────


def values_of(body: bytes) -> list[dict[str, Any]]:
    """The JSON of every event that ends in ``body``, but ``[DONE]``."""
    whole = body[: body.rfind(b"\n\n") + 2]
    lines = [line[6:] for line in whole.split(b"\n\n") if line.startswith(b"data: ")]
    return [msgspec.json.decode(line) for line in lines if line != b"[DONE]"]


def texts_of(body: bytes) -> list[str]:
    """The text of every event that has one."""
    choices = [choice for value in values_of(body) for choice in value.get("choices", [])]
    said = [row.get("text") or row.get("delta", {}).get("content") or "" for row in choices]
    return [text for text in said if text]


def _usage(worker: httpx2.Client, path: str, body: dict[str, Any]) -> tuple[int, int]:
    usage = worker.post(path, json=body).json()["usage"]
    return usage["prompt_tokens"], usage["completion_tokens"]


def _faults_of(question: Question, body: bytes, said: str, direct: WorkerUnderTest) -> list[str]:
    """Compare with a direct call for the rest; empty where all is right."""
    faults: list[str] = []
    values = values_of(body)
    if "error" in values[-1]:
        return [f"error {values[-1]['error']}"]
    if not body.endswith(b"data: [DONE]\n\n") or body.count(b"[DONE]") != 1:
        faults.append(f"the end is {body[-200:]!r}")
    choices = [choice for value in values for choice in value["choices"]]
    finishes = [c["finish_reason"] for c in choices if c["finish_reason"] is not None]
    usages = [value["usage"] for value in values if value.get("usage")]
    with direct.client() as worker:
        used = len(worker.post("/tokenize", json={"content": said}).json()["tokens"])
        rest = b""  # where the last token that was allowed came before the kill
        if used < question.max_tokens:
            asked = question.body(said, used=used, stream=True)
            rest = worker.post(question.path, json=asked).content
        prompt, _ = _usage(worker, question.path, question.body(stream=False) | {"max_tokens": 1})
    direct_values = values_of(rest)
    expected = said + "".join(texts_of(rest))
    if "".join(texts_of(body)) != expected:
        faults.append(
            f"text {''.join(texts_of(body))!r}, expected {said!r} + {expected[len(said) :]!r}"
        )
    direct_finish = [
        c["finish_reason"] for v in direct_values for c in v["choices"] if c["finish_reason"]
    ] or ["length"]
    if finishes != direct_finish:
        faults.append(f"finish reasons {finishes}, direct {direct_finish}")
    completion = used + next(
        (v["usage"]["completion_tokens"] for v in direct_values if v.get("usage")), 0
    )
    wanted = {"prompt_tokens": prompt, "completion_tokens": completion}
    if [{name: usage[name] for name in wanted} for usage in usages] != [wanted]:
        faults.append(f"usage {usages}, expected {wanted}")
    # Not `created`: llama.cpp's own events carry the time of each.
    heads = {(value["id"], value["model"]) for value in values}
    if len(heads) != 1:
        faults.append(f"several ids or models: {heads}")
    if sum("role" in choice.get("delta", {}) for choice in choices) != int(question.chat):
        faults.append("not one role")
    return faults


async def real_drill(
    queen: DaemonUnderTest, direct: WorkerUnderTest, *, kills: int, workers: int, seed: int = 1
) -> Tally:
    """Kill a real worker in the middle of each of ``kills`` answers, one after the other.

    Before each question the hive has all of its ``workers`` back: with one, every
    answer waits for a cold start; with two, a warm one goes on at once.
    """
    found = Tally()
    async with httpx2.AsyncClient(base_url=queen.url, timeout=ANSWER_S) as client:
        for question in questions(kills, seed=seed):
            pids = await asyncio.to_thread(_all_ready, queen, workers)
            outcome = await kill_once(client, question, pids, direct)
            found.answers += 1
            found.deaths += outcome.killed
            found.bad += [f"{question}: {fault}" for fault in outcome.faults]
            if outcome.pause_s is not None:
                found.pauses_s.append(outcome.pause_s)
    return found


def _all_ready(queen: DaemonUnderTest, workers: int) -> dict[str, int]:
    """Wait until so many workers are ready and alive; their process ids."""
    pids: dict[str, int] = {}

    def ready() -> bool:
        pids.clear()
        pids.update(ready_pids(queen))
        return len(pids) >= workers and all(psutil.pid_exists(pid) for pid in pids.values())

    until_now(ready, within_s=READY_S)
    return pids
