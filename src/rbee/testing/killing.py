"""Answers whose workers are killed in the middle, and what must be true of them.

A ``Plan`` is one request and its deaths: at a token, inside the chunk of a token
at some byte, and by SIGKILL when the client has so many tokens. ``faults_of``
holds what came back against what the engine would have said undisturbed: byte for
byte the same text, one role, one id, one finish_reason, one ``[DONE]``, right
counts. Used by the small test and by ``benchmarks/kill_drill.py``.
"""

import asyncio
import random
import time
from collections.abc import Iterator
from http import HTTPStatus
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, cast

import httpx2
import msgspec

from rbee.testing.nursery import Nursery
from rbee.worker.engines.scripted_text import answer_after, pieces, render_chat

MODEL: Final = "drill"
CHAT: Final = "/v1/chat/completions"
COMPLETIONS: Final = "/v1/completions"
ANSWER_S: Final = 60.0  # an answer takes 0.2 s; three new workers a second more

SPARE_WORKERS: Final = 4  # deaths of one answer, and the one who finishes it

_TOKENS: Final = (12, 60)
_DELAY_TOKEN_S: Final = 0.002  # some events come alone, some together, as from a real engine
_CHUNK_BYTES: Final = 230  # about one event of a chat: the cut falls anywhere in it


class Plan(msgspec.Struct, kw_only=True):
    """One request; ``kill_at`` counts tokens that the client has received."""

    number: int
    chat: bool
    stream: bool
    include_usage: bool
    tokens: int
    max_tokens: int | None = None
    crash_at: int | None = None
    cut_at: int | None = None
    cut_byte: int = 0
    kill_at: int | None = None

    @property
    def length(self) -> int:
        """How many tokens the answer has."""
        return self.tokens if self.max_tokens is None else min(self.tokens, self.max_tokens)

    @property
    def kills(self) -> int:
        """How many workers die of it, at least."""
        return sum(at is not None for at in (self.crash_at, self.cut_at, self.kill_at))

    @property
    def path(self) -> str:
        """Where it is posted."""
        return CHAT if self.chat else COMPLETIONS

    @property
    def prompt(self) -> str:
        """The client's words, with the script that the engine finds in them."""
        script: dict[str, object] = {"tokens": self.tokens, "delay_token_s": _DELAY_TOKEN_S}
        if self.crash_at is not None:
            script["crash_at_token"] = self.crash_at
        if self.cut_at is not None:
            script |= {"half_chunk_at_token": self.cut_at, "half_chunk_bytes": self.cut_byte}
        return f"Question {self.number}. [[script {msgspec.json.encode(script).decode()}]]"

    @property
    def rendered(self) -> str:
        """What stands before the answer."""
        return render_chat([("user", self.prompt)]) if self.chat else self.prompt

    @property
    def body(self) -> bytes:
        """The request."""
        asked: dict[str, object] = {"model": MODEL, "stream": self.stream}
        if self.chat:
            asked["messages"] = [{"role": "user", "content": self.prompt}]
        else:
            asked["prompt"] = self.prompt
        if self.max_tokens is not None:
            asked["max_tokens"] = self.max_tokens
        if self.include_usage and self.stream:
            asked["stream_options"] = {"include_usage": True}
        return msgspec.json.encode(asked)


class Seen(msgspec.Struct, kw_only=True):
    """What a client got. ``pauses_s`` are the longest gaps between events, one a kill."""

    status: int
    body: bytes
    whole_s: float
    pauses_s: list[float] = msgspec.field(default_factory=list[float])


def plans(count: int, *, seed: int) -> Iterator[Plan]:
    """``count`` requests with one to three deaths each, all drawn from ``seed``."""
    dice = random.Random(seed)  # noqa: S311  a drill that can be repeated, no secret
    for number in range(count):
        tokens = dice.randint(*_TOKENS)
        limit = dice.randint(6, tokens) if dice.random() < 0.5 else None  # noqa: PLR2004  half
        stream = dice.random() < 0.75  # noqa: PLR2004  three of four
        plan = Plan(
            number=number,
            chat=dice.random() < 0.5,  # noqa: PLR2004  half
            stream=stream,
            include_usage=dice.random() < 0.5,  # noqa: PLR2004  half
            tokens=tokens,
            max_tokens=limit,
        )
        kinds = dice.sample(["crash", "cut", "kill"] if stream else ["crash", "cut"], 2)
        ats = sorted(dice.randint(2, plan.length) for _ in kinds[: dice.randint(1, 2)])
        # The kill from outside comes first: later the client does not know whom to kill.
        for kind, at in zip(sorted(kinds[: len(ats)], key="kill".__ne__), ats, strict=True):
            match kind:
                case "crash":
                    plan.crash_at = at
                case "cut":
                    plan.cut_at, plan.cut_byte = at, dice.randint(0, _CHUNK_BYTES)
                case _:
                    plan.kill_at = at - 1
        yield plan


async def ask(client: httpx2.AsyncClient, plan: Plan, nursery: Nursery | None = None) -> Seen:
    """Send a plan's request to the queen and carry out its kill from outside."""
    started = time.perf_counter()
    parts: list[bytes] = []
    arrived = [started]
    tokens = 0
    async with (
        asyncio.timeout(ANSWER_S),
        client.stream("POST", plan.path, content=plan.body) as answer,
    ):
        victim = nursery.workers.get(answer.headers.get("x-rbee-worker", "")) if nursery else None
        async for part in answer.aiter_raw():
            parts.append(part)
            arrived.append(time.perf_counter())
            tokens += part.count(b'"content":" ') + part.count(b'"text":" ')
            if plan.stream and plan.kill_at is not None and tokens >= plan.kill_at and victim:
                victim.kill()
                victim = None
    gaps = sorted(after - before for before, after in pairwise(arrived[1:]))
    pauses = gaps[-plan.kills :] if plan.stream and plan.kills else []
    return Seen(
        status=answer.status_code,
        body=b"".join(parts),
        whole_s=time.perf_counter() - started,
        pauses_s=[max(0.0, gap - _DELAY_TOKEN_S) for gap in pauses],
    )


def faults_of(plan: Plan, seen: Seen) -> list[str]:
    """What is wrong with an answer; empty where nothing is."""
    if seen.status != HTTPStatus.OK:
        return [f"status {seen.status}: {seen.body[:300]!r}"]
    try:
        return _faults_of_stream(plan, seen.body) if plan.stream else _faults_of_whole(plan, seen)
    except (msgspec.MsgspecError, KeyError, TypeError) as error:
        return [f"unreadable: {error!r}"]


def _faults_of_whole(plan: Plan, seen: Seen) -> list[str]:
    answer = msgspec.json.decode(seen.body, type=dict[str, Any])
    (choice,) = answer["choices"]
    text = choice["message"]["content"] if plan.chat else choice["text"]
    faults = _faults_of_text(plan, text) + _faults_of_usage(plan, answer["usage"])
    if choice["finish_reason"] != _finish(plan):
        faults.append(f"finish_reason {choice['finish_reason']!r}")
    return faults


def _faults_of_stream(plan: Plan, body: bytes) -> list[str]:
    *events, end = body.split(b"\n\n")
    data = [event.removeprefix(b"data: ") for event in events if event.startswith(b"data: ")]
    if end or data[-1] != b"[DONE]" or data.count(b"[DONE]") != 1:
        return [f"the end is {body[-200:]!r}"]
    values = [msgspec.json.decode(value, type=dict[str, Any]) for value in data[:-1]]
    choices: list[dict[str, Any]] = [row for value in values for row in value["choices"]]
    deltas = cast("list[dict[str, Any]]", [row.get("delta") or {} for row in choices])
    said = [
        row.get("text") or delta.get("content") or ""
        for row, delta in zip(choices, deltas, strict=True)
    ]
    faults = _faults_of_text(plan, "".join(said))
    finishes = [row["finish_reason"] for row in choices if row["finish_reason"] is not None]
    if finishes != [_finish(plan)]:
        faults.append(f"finish reasons {finishes}")
    if sum("role" in delta for delta in deltas) != int(plan.chat):
        faults.append("not one role")
    if len({(value["id"], value["created"], value["model"]) for value in values}) != 1:
        faults.append("several ids, times or models")
    usages = [value["usage"] for value in values if value.get("usage")]
    if len(usages) != int(plan.include_usage):
        faults.append(f"{len(usages)} usages")
    return faults + [fault for usage in usages for fault in _faults_of_usage(plan, usage)]


def _faults_of_text(plan: Plan, text: str) -> list[str]:
    expected = answer_after(plan.rendered, total=plan.tokens, limit=plan.max_tokens)
    return [] if text == expected else [f"text {text!r}, expected {expected!r}"]


def _faults_of_usage(plan: Plan, usage: dict[str, Any]) -> list[str]:
    prompt = len(pieces(plan.rendered))
    expected = (prompt, plan.length, prompt + plan.length)
    got = (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"])
    return [] if got == expected else [f"usage {got}, expected {expected}"]


def _finish(plan: Plan) -> str:
    return "stop" if plan.max_tokens is None else "length"


class Tally(msgspec.Struct, kw_only=True):
    """What a drill found. ``bad`` holds a plan's words and its faults."""

    answers: int = 0
    deaths: int = 0
    bad: list[str] = msgspec.field(default_factory=list[str])
    pauses_s: list[float] = msgspec.field(default_factory=list[float])


async def drill(
    queen_url: str, directory: Path, *, answers: int, at_once: int = 2, seed: int = 1
) -> Tally:
    """Ask ``answers`` questions, ``at_once`` of them together, and kill their workers.

    Every worker has one slot, so that each death breaks the answer that it was
    planned for and no other; there are more workers than questions at once.
    """
    found = Tally()
    left = plans(answers, seed=seed)
    async with (
        Nursery(directory, queen_url, size=at_once + SPARE_WORKERS) as nursery,
        httpx2.AsyncClient(base_url=queen_url, timeout=ANSWER_S) as client,
    ):

        async def ask_some() -> None:
            for plan in left:
                seen = await ask(client, plan, nursery)
                found.answers += 1
                found.pauses_s += seen.pauses_s
                found.bad += [f"{plan}: {fault}" for fault in faults_of(plan, seen)]

        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(ask_some())
        found.deaths = nursery.deaths
    return found
