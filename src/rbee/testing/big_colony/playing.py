"""Played hives at a real queen: each a link of its own, beats once a second, made-up answers.

A link is the hive's own (``rbee.hive.link.uplink``), so that the queen treats a played hive
as any other behind a router: what she sends to its workers comes down the link, and is
answered by one small server that all played workers share.
"""

import asyncio
import contextlib
import random
import time
from typing import Any, Final

import httpx2
import msgspec

from rbee.contracts.hives import HeartbeatAck, Wanted
from rbee.hive.link.serving import Streams
from rbee.hive.link.uplink import Uplink
from rbee.testing.big_colony.machines import Machine
from rbee.testing.big_colony.scenarios import HivePlan
from rbee.testing.raw_worker import Conversation, raw_worker

BEAT_S: Final = 1.0  # as hives do
TOKEN_S: Final = 0.03  # 33 tokens a second, a brisk reader's pace
TOKENS_MAX: Final = 400  # twelve seconds: some requests of each page are always running
BETWEEN_S: Final = (0.2, 2.0)  # pauses of a played client

_ALL: Final[frozenset[Wanted]] = frozenset({"capabilities", "models", "worker_keys"})
_WORDS: Final = [
    "the",
    "bees",
    "carry",
    "what",
    "they",
    "find",
    "to",
    "the",
    "hive",
    "and",
    "the",
    "queen",
    "sends",
    "each",
    "one",
    "where",
    "it",
    "is",
    "needed",
    "so",
    "that",
    "nothing",
    "waits",
    "for",
    "long",
    "and",
    "nobody",
    "works",
    "for",
    "two",
]


class PlayedHive:
    """One machine and its link."""

    def __init__(
        self, machine: Machine, queen_url: str, *, key: str | None, place: tuple[str, int]
    ) -> None:
        self.machine = machine
        self._wanted: set[Wanted] = set(_ALL)
        self._link = Uplink(
            queen_url,
            "main",
            hive_id=machine.plan.hive_id,
            key=key,
            context=lambda: None,
            accept=Streams(lambda: None, lambda _worker_id: place).accept,
            welcomed=lambda _epoch: None,
        )
        self._link.joined = self._joined
        self._link.acked = self._acked

    async def run(self, delay_s: float) -> None:
        """Link and beat until cancelled; ``delay_s`` spreads the beats over the second."""
        keeping = asyncio.create_task(self._link.run())
        try:
            await asyncio.sleep(delay_s)
            while not self.machine.is_silent:
                if self._link.alive:
                    self._beat()
                await asyncio.sleep(BEAT_S)
        finally:
            keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeping

    def _beat(self) -> None:
        beat = self.machine.beat(time.time(), self._wanted)
        if self._link.beat(msgspec.json.encode(beat)):
            self._wanted.clear()

    def _joined(self) -> None:
        self._wanted = set(_ALL)

    def _acked(self, payload: bytes) -> None:
        self._wanted |= set(msgspec.json.decode(payload, type=HeartbeatAck).wanted)


async def play(plans: list[HivePlan], queen_url: str, *, key: str | None, clients: int) -> None:
    """Play all machines at a queen until cancelled, and ``clients`` that ask them things."""
    async with raw_worker(answer) as port, asyncio.TaskGroup() as tasks:
        hives = [
            PlayedHive(
                Machine(plan, seed=n, port=port), queen_url, key=key, place=("127.0.0.1", port)
            )
            for n, plan in enumerate(plans)
        ]
        for n, hive in enumerate(hives):
            tasks.create_task(hive.run(n / max(1, len(hives))))
        models = sorted({one.model for plan in plans for one in plan.workers})
        for n in range(clients if models else 0):
            tasks.create_task(ask(queen_url, key, models, seed=n))
        await asyncio.Event().wait()


async def answer(talk: Conversation) -> None:
    """A played worker's answer: words at a reader's pace, until they are enough."""
    if not talk.path.startswith("/v1/"):
        await talk.answer(200, {"status": "ok"})
        return
    length = random.randrange(40, TOKENS_MAX)  # noqa: S311  figures, not secrets
    leaving = asyncio.ensure_future(talk.left())
    try:
        await talk.say(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        for n in range(length):
            word = f"{_WORDS[n % len(_WORDS)]} "
            await talk.say(_event({"index": 0, "delta": {"content": word}, "finish_reason": None}))
            await asyncio.wait({leaving}, timeout=TOKEN_S)
            if leaving.done():
                return
        end = _event({"index": 0, "delta": {}, "finish_reason": "stop"})
        await talk.say(end, b"data: [DONE]\n\n")
    except ConnectionError:
        return  # the asker left
    finally:
        leaving.cancel()


def _event(choice: dict[str, Any]) -> bytes:
    body = {
        "id": "played",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": "played",
        "choices": [choice],
    }
    return b"data: " + msgspec.json.encode(body) + b"\n\n"


async def ask(queen_url: str, key: str | None, models: list[str], *, seed: int) -> None:
    """A client that asks one thing after the other, for ever."""
    dice = random.Random(seed)  # noqa: S311  figures, not secrets
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with httpx2.AsyncClient(timeout=300.0, trust_env=False, headers=headers) as http:
        while True:
            await asyncio.sleep(dice.uniform(*BETWEEN_S))
            body = {
                "model": dice.choice(models),
                "stream": True,
                "messages": [{"role": "user", "content": "Tell me of the colony."}],
            }
            with contextlib.suppress(httpx2.HTTPError):
                async with http.stream(
                    "POST", f"{queen_url}/v1/chat/completions", json=body
                ) as response:
                    async for _ in response.aiter_raw():
                        pass
