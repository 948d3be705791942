"""``python -m rbee.testing.talker QUEEN_URL``: a worker that talks Markdown, at a pace of one's choice.

For looking at the chat, its tests and its benchmark: the scripted engine says numbered words,
and a real model what it likes. This one says headings, lists, tables, code and formulas, tells
how far it has read the prompt (llama.cpp's ``return_progress``), and does as a request says in
``[[talk {"tokens": 500, "per_s": 200, "prefill_s": 3, "fail_at": 40}]]``. It plays a hive by
beats over HTTP, so the queen must be on this machine and want no certificate.

``--name looker --engine vllm`` makes it one that may take pictures and sounds: with
``{"tell": true}`` it says what came beside the words, with ``{"refuse": "…"}`` it takes none of it.
"""

import argparse
import asyncio
import base64
import contextlib
import hashlib
import re
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from itertools import cycle
from typing import Any, Final, NamedTuple, cast

import httpx2
import msgspec

from rbee.testing.raw_worker import Conversation, beat, chunk, raw_worker, ready_worker

BEAT_S: Final = 1.0  # as hives do
MODEL: Final = "talker"
HIVE: Final = "stage"
SLOTS: Final = 8
PREFILL_STEPS: Final = 10  # llama.cpp tells after each batch of a prompt

_ASKED: Final = re.compile(r"\[\[talk\s+(\{.*?\})\s*\]\]", re.DOTALL)
_PIECE: Final = re.compile(r"\s*\S{1,5}|\s+")


class Talk(msgspec.Struct, frozen=True, kw_only=True):
    """How one answer goes. ``fail_at`` sends an error event in the place of that token.

    ``tell`` answers with the pictures and sounds that came, ``refuse`` with this error and 400.
    """

    tokens: int = 400
    per_s: float = 200.0
    prefill_s: float = 0.0
    prefill_tokens: int = 4_000
    fail_at: int | None = None
    thought: int = 0
    text: str | None = None
    tell: bool = False
    refuse: str | None = None


class Part(NamedTuple):
    """The name, the model and the engine that it is taken for."""

    name: str = MODEL
    engine: str = "scripted"  # who asks must not take it for an engine that tells no progress


TALKS: Final = Part()

SECTIONS: Final = (
    """## How bees find their way

A bee that leaves the hive *looks back* first: it flies small arcs and learns what stands around the
entrance. Later it needs **three things**: the sun, a memory of places, and a measure of how far it
flew. The last one comes from its eyes, not from its wings, which is why `optic flow` was a surprise.

""",
    """1. It compares the sun's place with the time of day.
2. It counts what passes below: more texture counts as a longer way.
3. It corrects what the wind does, since the ground tells the truth.

- close things pass quickly, far ones slowly
- at dusk everything is off by a few degrees
- old foragers are better at it than young ones

""",
    """```python
def homeward(steps: list[tuple[float, float]]) -> tuple[float, float]:
    \"\"\"The way back: the sum of all steps, turned around.\"\"\"
    east = sum(step[0] for step in steps)
    north = sum(step[1] for step in steps)
    return -east, -north  # as the bee flies


print(homeward([(3.0, 4.0), (-1.5, 2.0)]))
```

""",
    """| way | what it needs | error after 1 km |
|---|---|---:|
| sun compass | clear sky, a clock | 30 m |
| landmarks | a flight before | 5 m |
| both together | all of it | 3 m |

""",
    """The way home is a sum of vectors: with steps $s_i$ of length $r_i$ and angle $\\theta_i$ it is

$$
h = -\\sum_{i=1}^{n} r_i \\begin{pmatrix} \\cos\\theta_i \\\\ \\sin\\theta_i \\end{pmatrix}
$$

> What looks like a memory of the way is a memory of one arrow.

See [the dance](https://example.com/dance) for how they tell others.

""",
)


def pieces(tokens: int) -> Iterator[str]:
    """So many pieces of Markdown, about as long as a model's tokens, the sections over and over."""
    count = 0
    for section in cycle(SECTIONS):
        for piece in _PIECE.findall(section):
            if count == tokens:
                return
            yield piece
            count += 1


@asynccontextmanager
async def talker(
    queen_url: str, *, key: str | None = None, part: Part = TALKS
) -> AsyncGenerator[int]:
    """Have a queen know the worker, as long as the block lasts; gives its port."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    async with (
        raw_worker(_answer) as port,
        httpx2.AsyncClient(base_url=queen_url, headers=headers) as client,
        asyncio.TaskGroup() as tasks,
    ):
        beating = tasks.create_task(_beats(client, port, part))
        yield port
        beating.cancel()


async def _beats(client: httpx2.AsyncClient, port: int, part: Part) -> None:
    worker = ready_worker(f"{part.name}-1", port, model=part.name, slots=SLOTS)
    worker.engine = part.engine
    hive_id = HIVE if part.name == MODEL else f"{part.name}-{HIVE}"
    while True:
        body = msgspec.json.encode(beat([worker], hive_id=hive_id, at=time.time()))
        with contextlib.suppress(httpx2.TransportError):
            (await client.post("/v1/hive-heartbeat", content=body)).raise_for_status()
        await asyncio.sleep(BEAT_S)


async def _answer(wire: Conversation) -> None:
    if not wire.path.startswith("/v1/chat"):
        await wire.answer(404, {"error": {"message": "It only talks."}})
        return
    leaving = asyncio.ensure_future(wire.left())
    talking = asyncio.ensure_future(_talk(wire))
    try:
        await asyncio.wait({leaving, talking}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (leaving, talking):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionError):
            await talking


async def _talk(wire: Conversation) -> None:
    body: dict[str, Any] = msgspec.json.decode(wire.body)
    asked = _asked(body["messages"])
    if asked.refuse is not None:
        await wire.answer(400, {"error": {"message": asked.refuse, "code": 400}})
        return
    if asked.tell:
        asked = msgspec.structs.replace(asked, text=_what_came(body["messages"]))
    await wire.stream(_event({"role": "assistant", "content": None}), end=False)
    await _read_prompt(wire, asked, tells=bool(body.get("return_progress")))
    began = time.monotonic()
    said = 0
    for said, piece in enumerate(_said(asked), start=1):
        if asked.fail_at == said:
            await wire.say(
                _sse({"error": {"message": "The engine ran out of memory.", "code": 500}})
            )
            await wire.say(chunk(b"data: [DONE]\n\n"), chunk(b""))
            return
        name = "reasoning_content" if said <= asked.thought else "content"
        await wire.say(_sse(_event({name: piece})))
        # Against the clock, not from one to the next: a busy machine catches up.
        await asyncio.sleep(max(0.0, began + said / asked.per_s - time.monotonic()))
    spent_s = time.monotonic() - began
    await wire.say(_sse(_event({}, "stop")))
    end: dict[str, Any] = _event({}) | {
        "choices": [],
        "usage": {
            "prompt_tokens": asked.prefill_tokens,
            "completion_tokens": said,
            "total_tokens": asked.prefill_tokens + said,
        },
        "timings": {"predicted_per_second": said / spent_s if spent_s else 0.0},
    }
    await wire.say(_sse(end), chunk(b"data: [DONE]\n\n"), chunk(b""))


async def _read_prompt(wire: Conversation, asked: Talk, *, tells: bool) -> None:
    for step in range(PREFILL_STEPS + 1) if asked.prefill_s else ():
        progress = {
            "total": asked.prefill_tokens,
            "cache": 0,
            "processed": asked.prefill_tokens * step // PREFILL_STEPS,
            "time_ms": int(1_000 * asked.prefill_s * step / PREFILL_STEPS),
        }
        if tells:
            await wire.say(_sse(_event({"content": None}) | {"prompt_progress": progress}))
        await asyncio.sleep(asked.prefill_s / PREFILL_STEPS)


def _said(asked: Talk) -> Iterator[str]:
    return iter(_PIECE.findall(asked.text)) if asked.text is not None else pieces(asked.tokens)


def _asked(messages: list[dict[str, Any]]) -> Talk:
    found = _ASKED.search(str(messages[-1]["content"]))
    return Talk() if found is None else msgspec.json.decode(found[1], type=Talk)


def _what_came(messages: list[dict[str, Any]]) -> str:
    """The pictures and sounds of all messages, in order: kind, form, bytes, the first of a digest."""
    said: list[str] = []
    for message in messages:
        content = message["content"]
        parts = cast("list[dict[str, Any]]", content if isinstance(content, list) else [])
        for part in parts:
            if part["type"] == "image_url":
                form, _, data = part["image_url"]["url"].partition(";base64,")
            elif part["type"] == "input_audio":
                form, data = part["input_audio"]["format"], part["input_audio"]["data"]
            else:
                continue
            file = base64.b64decode(data, validate=True)
            digest = hashlib.sha256(file).hexdigest()[:12]
            said.append(f"{part['type']} {form} {len(file)} bytes {digest}")
    return "; ".join(said) or "no picture and no sound came"


def _event(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {
        "id": "talk",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": MODEL,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }


def _sse(event: dict[str, Any]) -> bytes:
    return chunk(b"data: " + msgspec.json.encode(event) + b"\n\n")


async def _run(queen_url: str, part: Part) -> None:
    async with talker(queen_url, part=part):
        await asyncio.Event().wait()


def main() -> None:
    """Talk until Ctrl+C."""
    parser = argparse.ArgumentParser(prog="python -m rbee.testing.talker")
    parser.add_argument("queen_url")
    parser.add_argument("--name", default=TALKS.name)
    parser.add_argument("--engine", default=TALKS.engine)
    asked = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(asked.queen_url, Part(asked.name, asked.engine)))


if __name__ == "__main__":
    main()
