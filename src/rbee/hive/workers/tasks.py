"""What the supervisor has done for it, in tasks beside its loop.

Each function does one effect of ``lifecycle`` for one generation of one worker
and posts what it saw; none changes a worker. Those that only look run in the
worker's scope and end with its generation.
"""

import time
from collections.abc import Callable
from typing import Final, TypeAlias

import anyio
import msgspec

from rbee.errors import RbeeError
from rbee.hive.engines.engine import Place
from rbee.hive.isolation.plan import Measures
from rbee.hive.workers import launching, logs
from rbee.hive.workers.launching import EndedAtOnce, Limits, Running
from rbee.hive.workers.lifecycle import LEAVING
from rbee.hive.workers.messages import (
    Answered,
    Drained,
    Ended,
    Hung,
    Looked,
    Message,
    NotStarted,
    Started,
    Stuck,
    TimedOut,
)
from rbee.hive.workers.probe import Probe
from rbee.hive.workers.record import Worker
from rbee.hive.workers.request_count import RequestCount
from rbee.hive.workers.state import KEY_FILE, ExitFile, StateStore
from rbee.hive.workers.stillness import Stillness
from rbee.hive.workers.token_rate import TokenRate
from rbee.hive.workers.vitals import Vitals

LOOK_EVERY_S: Final = 1.0  # wire.md: a beat each second
DRAIN_LOOK_S: Final = 0.1  # the last request's end is seen within this
DRAIN_LOOKS_IDLE: Final = 2  # twice idle: the queen may have sent one just before it knew
DRAIN_SILENT_S: Final = 10.0  # a worker that tells nothing for so long has nothing to drain

Post: TypeAlias = Callable[[Message], None]


async def launch(
    worker: Worker, store: StateStore, limits: Limits, measures: Measures, post: Post
) -> None:
    """Wait out the backoff, start the processes, watch them to their end."""
    generation = worker.state.generation
    with worker.life.scope() as scope:
        await anyio.sleep(worker.backoff_s)
    if scope.cancelled_caught:
        post(Ended(worker_id=worker.id, generation=generation, word=ExitFile()))
        return
    directory = store.directory(worker.id)
    place = Place(
        directory=directory,
        key_file=directory / KEY_FILE,
        host=worker.state.host,
        port=worker.state.port,
        outside=worker.outside,
    )
    try:
        running = await launching.start(
            directory,
            worker.engine.launch(worker.state.spec, place),
            generation,
            limits,
            measures,
        )
    except EndedAtOnce as ended:
        post(Ended(worker_id=worker.id, generation=generation, word=ended.word))
    except RbeeError as error:
        post(NotStarted(worker_id=worker.id, generation=generation, error=error))
    else:
        post(Started(worker_id=worker.id, generation=generation, running=running))
        await watch(worker, generation, store, running, post)


async def watch(
    worker: Worker, generation: int, store: StateStore, running: Running, post: Post
) -> None:
    """Tell of the engine's end: a crash at once, a stop when nothing is left of it."""
    word = await launching.wait_end(store.directory(worker.id), running)
    if worker.state.status in LEAVING:
        await launching.reap(running)
    launching.clear(store.directory(worker.id))
    post(Ended(worker_id=worker.id, generation=generation, word=word))
    await launching.reap(running)


async def probe_ready(worker: Worker, limit_s: float, post: Post) -> None:
    """Tell when the worker has generated a token, or that it took too long."""
    generation = worker.state.generation
    probe = Probe(worker.target())
    try:
        with worker.life.scope():
            try:
                with anyio.fail_after(limit_s):
                    await probe.wait_ready()
                    reading = await probe.read(worker.engine)
            except TimeoutError:
                post(TimedOut(worker_id=worker.id, generation=generation))
            else:
                post(Answered(worker_id=worker.id, generation=generation, reading=reading))
    finally:
        with anyio.CancelScope(shield=True):
            await probe.aclose()


async def attend(worker: Worker, store: StateStore, hang_s: float, post: Post) -> None:
    """Look at slots, metrics and use each second until the generation ends, or hangs."""
    generation, running = worker.state.generation, worker.running
    if running is None:
        return
    probe, vitals = Probe(worker.target()), Vitals(running.engine)
    rate, stillness = TokenRate(), Stillness(hang_s, time.monotonic())
    mark = worker.engine.request_mark
    log = logs.log_path(store.directory(worker.id))
    requests = RequestCount(log, mark) if mark is not None else None
    try:
        with worker.life.scope():
            while True:
                reading = await probe.read(worker.engine)
                if requests is not None:
                    reading = msgspec.structs.replace(reading, requests_total=requests.look())
                now_s = time.monotonic()
                why = stillness.look(reading, now_s)
                if why is not None:
                    post(Hung(worker_id=worker.id, generation=generation, why=why))
                post(
                    Looked(
                        worker_id=worker.id,
                        generation=generation,
                        reading=reading,
                        usage=vitals.look(now_s),
                        tokens_per_s=rate.look(reading.tokens_total, now_s),
                    )
                )
                # All workers at the same moment: one waking of the loop for all of them.
                await anyio.sleep(LOOK_EVERY_S - time.monotonic() % LOOK_EVERY_S)
    finally:
        with anyio.CancelScope(shield=True):
            await probe.aclose()


async def drain(worker: Worker, limit_s: float, post: Post) -> None:
    """Tell when all slots have been free twice in a row, or the limit has passed."""
    generation = worker.state.generation
    probe = Probe(worker.target())
    try:
        with worker.life.scope():
            with anyio.move_on_after(limit_s):
                await _wait_idle(probe, worker)
            post(Drained(worker_id=worker.id, generation=generation))
    finally:
        with anyio.CancelScope(shield=True):
            await probe.aclose()


async def _wait_idle(probe: Probe, worker: Worker) -> None:
    idle = 0
    heard_s = time.monotonic()
    while True:
        reading = await probe.slots(worker.engine)
        if reading.slots_busy is not None:
            heard_s = time.monotonic()
        elif time.monotonic() - heard_s > DRAIN_SILENT_S:
            return
        idle = idle + 1 if reading.slots_busy == 0 else 0
        if idle == DRAIN_LOOKS_IDLE:
            return
        await anyio.sleep(DRAIN_LOOK_S)


async def end(worker: Worker, running: Running, post: Post) -> None:
    """End the processes; ``watch`` tells of it. Says so when they do not end."""
    generation = worker.state.generation
    if not await launching.end(running):
        post(Stuck(worker_id=worker.id, generation=generation))
