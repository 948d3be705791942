"""Further keys on a real queen: what they open, how they share the workers, their rate limits."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from hashlib import sha256
from statistics import fmean

import anyio
import httpx2
import msgspec
import pytest

from rbee.contracts.principals import KeySetting
from rbee.queen.settings import Settings
from rbee.testing.queens import RunningQueen, running_queen
from rbee.testing.raw_worker import Conversation, Play, beat, raw_worker, ready_worker
from rbee.testing.waiting import until

pytestmark = pytest.mark.anyio

COLONY_KEY = "made-up-colony-key"
SHARE = 1.10  # the issue's: no more than a tenth over an equal share


def key_setting(name: str, **limits: int) -> KeySetting:
    return KeySetting(name=name, sha256=sha256(name.encode()).hexdigest(), **limits)


@asynccontextmanager
async def colony(play: Play, *keys: KeySetting, slots: int = 2) -> AsyncGenerator[RunningQueen]:
    """A queen with a colony key and ``keys`` (each key's text is its name), one raw worker."""
    settings = Settings(quiet_s=0.2, store="memory", keys=list(keys))
    async with (
        raw_worker(play) as port,
        running_queen(settings=settings, key=COLONY_KEY) as running,
    ):
        worker = ready_worker("w", port, slots=slots)
        running.queen.colony.beat(beat([worker]), anyio.current_time())
        yield running


async def complete(
    running: RunningQueen, key: str, prompt: str = "hi", **headers: str
) -> httpx2.Response:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return await running.http.post(
        "/v1/completions",
        json={"model": "m", "prompt": prompt},
        headers={"authorization": f"Bearer {key}", **named},
    )


def prompt_of(wire: Conversation) -> str:
    return str(msgspec.json.decode(wire.body)["prompt"])


async def speak(wire: Conversation) -> None:
    choice = {"index": 0, "text": "a", "finish_reason": "stop"}
    usage = {"prompt_tokens": 40, "completion_tokens": 10, "total_tokens": 50}
    await wire.stream({"object": "text_completion", "choices": [choice], "usage": usage})


async def test_a_clients_key_opens_the_doors_to_models_and_no_other() -> None:
    async with colony(speak, key_setting("alice")) as running:
        alice = {"authorization": "Bearer alice"}
        assert (await complete(running, "alice")).status_code == 200
        for path in ("/v1/models", "/openai/v1/models/m", "/v1/info"):
            assert (await running.http.get(path, headers=alice)).status_code == 200, path
        for method, path in [
            ("GET", "/v1/jobs"),
            ("POST", "/v1/jobs"),
            ("POST", "/v1/hive-heartbeat"),
            ("POST", "/v1/hive/ready"),
            ("POST", "/v1/shutdown"),
            ("GET", "/v1/heartbeats/stream"),
        ]:
            refused = await running.http.request(method, path, headers=alice)
            assert (refused.status_code, refused.json()["code"]) == (403, "forbidden"), path
        assert (await complete(running, "bob")).status_code == 401


async def test_a_key_that_sends_nine_tenths_delays_the_other_by_no_more_than_a_tenth() -> None:
    crowded = await _mean_turn_of_light(heavy=45, light=5)
    equal = await _mean_turn_of_light(heavy=5, light=5)
    assert crowded <= SHARE * equal


async def _mean_turn_of_light(*, heavy: int, light: int) -> float:
    """When the light key's requests reach the worker, on average, counted in requests."""
    go = asyncio.Event()
    order: list[str] = []

    async def play(wire: Conversation) -> None:
        order.append(prompt_of(wire))
        await go.wait()
        await speak(wire)

    async with colony(play, key_setting("heavy"), key_setting("light")) as running:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(2):
                tasks.create_task(complete(running, "heavy", "first"))
            await until(lambda: len(order) == 2)
            for count, key in ((heavy, "heavy"), (light, "light")):
                for _ in range(count):
                    tasks.create_task(complete(running, key, key))
            await until(lambda: running.queen.demand.total == heavy + light)
            go.set()
        served = order[2:]
    assert len(served) == heavy + light
    return fmean(at for at, key in enumerate(served, 1) if key == "light")


async def test_a_key_cannot_ask_for_more_urgency_than_it_has() -> None:
    go = asyncio.Event()
    order: list[str] = []

    async def play(wire: Conversation) -> None:
        order.append(prompt_of(wire))
        await go.wait()
        await speak(wire)

    async with colony(play, key_setting("plain"), key_setting("vip", priority=5), slots=1) as at:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(complete(at, "plain", "first"))
            await until(lambda: order)
            for waiting, (key, prompt, asked) in enumerate(
                [("plain", "b", "high"), ("vip", "a", "high"), ("plain", "c", "low")], 1
            ):
                tasks.create_task(complete(at, key, prompt, x_priority=asked))
                await until(lambda waiting=waiting: at.queen.demand.total == waiting)
            go.set()
        assert order == ["first", "a", "b", "c"]
        refused = await complete(at, "plain", x_priority="very")
        assert refused.status_code == 400
        assert refused.json()["error"]["param"] == "X-Priority"


async def test_rate_limits_are_told_and_kept() -> None:
    limited = key_setting("alice", requests_per_min=3, tokens_per_min=90)
    async with colony(speak, limited) as running:
        first = await complete(running, "alice")
        assert first.headers["x-ratelimit-limit-requests"] == "3"
        assert first.headers["x-ratelimit-remaining-requests"] == "2"
        assert first.headers["x-ratelimit-limit-tokens"] == "90"
        assert first.headers["x-ratelimit-remaining-tokens"] == "90"
        assert (await complete(running, "alice")).status_code == 200  # 50 of 90 were used
        refused = await complete(running, "alice")
        assert refused.status_code == 429
        assert refused.json()["error"]["code"] == "rate_limited"
        assert 1 <= int(refused.headers["retry-after"]) <= 10
        assert refused.headers["x-ratelimit-remaining-tokens"] == "0"
        operator = await complete(running, COLONY_KEY)
        assert operator.status_code == 200
        assert not [name for name in operator.headers if name.startswith("x-ratelimit")]
