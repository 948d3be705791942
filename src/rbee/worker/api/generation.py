"""One generating request: its prompt checked, a slot taken, its tokens sent.

From ``app``; the engine makes the tokens, ``answers`` words them, ``exchange``
sends them. A client that leaves cancels this coroutine, streaming or not, and
with that its slot is free.
"""

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from time import monotonic

import msgspec

from rbee.contracts.exits import WorkerExit
from rbee.worker.api.answers import GARBAGE_EVENT, Finish, Refusal, Route, Scribe, Tally
from rbee.worker.api.exchange import Exchange
from rbee.worker.api.requests import ChatRequest, TextRequest
from rbee.worker.engines.script import Cut, Fault, Trouble
from rbee.worker.engines.text_engine import TextEngine
from rbee.worker.leaving import leave
from rbee.worker.slots import Slot, Slots


class Run(msgspec.Struct, kw_only=True):
    """One request on its way. ``limit`` counts tokens of this answer."""

    slots: Slots
    exchange: Exchange
    request: TextRequest
    scribe: Scribe
    tally: Tally
    prefix: str
    limit: int
    finish: Finish = "stop"


async def answer_text(
    engine: TextEngine, slots: Slots, exchange: Exchange, request: TextRequest, route: Route
) -> None:
    """Answer one of the three generating routes.

    Raises:
        Refusal: 400, the prompt does not fit into the context.
        InvalidRequest: the prompt's script is wrong.
    """
    chat = isinstance(request, ChatRequest)
    prefix = engine.render(request.turns) if chat else request.prompt
    tally = Tally(prompt_tokens=len(engine.tokenize(prefix)))
    room = engine.context_tokens - tally.prompt_tokens
    if room <= 0:
        raise _too_long(tally.prompt_tokens, engine.context_tokens)
    run = Run(
        slots=slots,
        exchange=exchange,
        request=request,
        scribe=Scribe(route, engine.alias, tally),
        tally=tally,
        prefix=prefix,
        limit=room if request.limit is None else min(room, request.limit),
    )
    # Asked before the head is sent, so that a wrong script is a plain 400.
    steps = engine.generate(prefix)
    if request.stream:
        await _stream(run, steps)
    else:
        await _unary(run, steps, request.given if chat else "")


async def _stream(run: Run, steps: AsyncIterator[str | Trouble]) -> None:
    """Send the events; the head goes out with the slot, as llama.cpp does it (measured)."""
    exchange = run.exchange
    async with run.slots.take(prompt_tokens=run.tally.prompt_tokens, limit=run.limit) as slot:
        await exchange.start_stream()
        async with asyncio.TaskGroup() as group:
            pings = group.create_task(exchange.ping())
            opening = await _send_tokens(run, _counted(run, steps, slot))
            pings.cancel()
    usage = run.request.wants_usage
    await exchange.write(opening + run.scribe.ending(run.finish, run.prefix, usage=usage))
    await exchange.end_stream()


async def _send_tokens(run: Run, steps: AsyncIterator[str | Trouble]) -> bytes:
    """Send every step; the answer is the opening if no token carried it."""
    opening = run.scribe.opening()
    cut: Cut | None = None
    async for step in steps:
        if isinstance(step, Cut):
            cut = step
        elif step is Fault.GARBAGE:
            await run.exchange.write(GARBAGE_EVENT)
        elif isinstance(step, str):
            events = opening + run.scribe.token(step)
            if cut is not None:
                run.exchange.die_inside_chunk(events, cut.at_byte)
            await run.exchange.write(events)
            opening = b""
    return opening


async def _unary(run: Run, steps: AsyncIterator[str | Trouble], given: str) -> None:
    parts = [given]
    faults: set[Trouble] = set()
    async with run.slots.take(prompt_tokens=run.tally.prompt_tokens, limit=run.limit) as slot:
        async for step in _counted(run, steps, slot):
            if isinstance(step, str):
                parts.append(step)
            else:
                faults.add(step)
    whole = run.scribe.whole("".join(parts), run.finish, run.prefix)
    if any(isinstance(fault, Cut) for fault in faults):
        run.exchange.die_inside_answer(msgspec.json.encode(whole))
    if Fault.GARBAGE in faults:
        await run.exchange.answer(200, GARBAGE_EVENT, "application/json; charset=utf-8")
        return
    await run.exchange.json(200, whole)


async def _counted(
    run: Run, steps: AsyncIterator[str | Trouble], slot: Slot
) -> AsyncIterator[str | Trouble]:
    """Pass steps on up to the limit, count tokens, and carry out the end of all things."""
    started_s = monotonic()
    made = count(1)
    async for step in steps:
        if step is Fault.CRASH:
            leave(WorkerExit.CRASHED)
        if step is Fault.HANG:
            await run.exchange.hang()
        if not isinstance(step, str):
            yield step
            continue
        number = next(made)
        run.tally.predicted_tokens = number
        run.tally.predicted_s = monotonic() - started_s
        run.slots.count_token(slot)
        yield step
        if number >= run.limit:
            run.finish = "length"
            break
    run.slots.counters.predicted_s += monotonic() - started_s


def _too_long(prompt_tokens: int, context_tokens: int) -> Refusal:
    return Refusal(
        400,
        f"request ({prompt_tokens} tokens) exceeds the available context size "
        f"({context_tokens} tokens), try increasing it",
        "exceed_context_size_error",
        n_prompt_tokens=prompt_tokens,
        n_ctx=context_tokens,
    )
