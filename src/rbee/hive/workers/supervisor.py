"""The one owner of all workers: a loop, no locks.

Commands (from ``operations``) and news (from ``tasks``) flow in as messages, in
one order; ``lifecycle.step`` says what each means; effects flow out as tasks.
Only ``_handle`` and what it calls changes a worker; everyone else reads ``roster``.
"""

import contextlib
import math
import secrets
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.abc

from rbee.contracts.exits import WorkerExit
from rbee.contracts.ids import WorkerId
from rbee.errors import EngineError, EngineUnusable, RbeeError
from rbee.foundation import logs as daemon_logs
from rbee.hive.engines.catalog import Engines
from rbee.hive.isolation import plan
from rbee.hive.isolation.probe import name_of
from rbee.hive.workers import deaths, lifecycle, logs, ports, recovery, tasks
from rbee.hive.workers.adoption import Verdict
from rbee.hive.workers.housekeeping import House
from rbee.hive.workers.launching import Limits, Running
from rbee.hive.workers.lifecycle import Effect, Event, GiveUp
from rbee.hive.workers.limits import SupervisorLimits
from rbee.hive.workers.messages import (
    Answered,
    Drained,
    Ended,
    Forgotten,
    Hung,
    Looked,
    Message,
    News,
    NotStarted,
    Order,
    Recovered,
    Reply,
    SpawnAsked,
    Started,
    StopAsked,
    Stuck,
    TimedOut,
)
from rbee.hive.workers.record import Worker
from rbee.hive.workers.roster import Roster
from rbee.hive.workers.state import ExitFile, StateStore, WorkerState

STOPPED_SHOWN_S: Final = 3.0  # three beats carry "stopped", then the worker is forgotten
COMMANDS_KEPT_MAX: Final = 1_000  # a repeated command comes within minutes, not after 1,000 others
ERRORS_KEPT_MAX: Final = 50  # failed workers that nobody cleans up; the oldest go first

_log = daemon_logs.get(__name__)


class Supervisor:
    """All workers of this hive. ``run`` first; then spawn, stop and look."""

    def __init__(self, root: Path, alive: Path, engines: Engines, limits: SupervisorLimits) -> None:
        """``root`` is the directory of the workers' directories, ``alive`` our sign of life."""
        self.store = StateStore(root)
        self.roster = Roster()
        self._engines = engines
        self._limits = limits
        self._budget = limits.budget
        self._house = House(alive, self.store, self.roster, limits.log_bytes_max)
        self._launch_limits = Limits(
            alive=alive, orphan_s=limits.orphan_s, log_bytes_max=limits.log_bytes_max
        )
        self._commands: dict[str, WorkerId] = {}
        self._send, self._inbox = anyio.create_memory_object_stream[Message](math.inf)
        self._tasks: anyio.abc.TaskGroup | None = None

    # ── commands ─────────────────────────────────────────────────────────────

    async def run(self, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        """Find the workers of an earlier hive, then own them all until cancelled."""
        self._house.sign_of_life()
        async with anyio.create_task_group() as group, self._send, self._inbox:
            self._tasks = group
            for recovered in await recovery.recover(self.store, self._engines):
                self._handle(recovered)
            group.start_soon(self._house.keep)
            task_status.started()
            async for message in self._inbox:
                self._handle(message)

    async def spawn(self, order: Order) -> tuple[WorkerId, bool]:
        """Make a worker; its id, and False when this very command made it before.

        Raises:
            NoCapacity: no port is free.
            StorageError: its directory cannot be written.
            EngineUnusable: there is no such engine.
        """
        reply = Reply()
        self._post(SpawnAsked(order, reply))
        return await reply.wait()

    def stop(self, worker_id: WorkerId, *, force: bool = False) -> None:
        """Ask for a worker's end: drained, or with ``force`` at once. Returns immediately."""
        self._post(StopAsked(worker_id, force))

    def restart(self, worker_id: WorkerId, *, force: bool = False) -> None:
        """As ``stop``, and start it anew afterwards under its id. Returns immediately."""
        self._post(StopAsked(worker_id, force, again=True))

    async def stop_all(self) -> None:
        """Drain and end every worker; returns when all are gone."""
        for worker_id in list(self.roster.by_id):
            self.stop(worker_id)
        for worker_id in list(self.roster.by_id):
            with contextlib.suppress(RbeeError):
                await self.roster.gone(worker_id)

    # ── the loop ─────────────────────────────────────────────────────────────

    @property
    def trouble(self) -> str | None:
        """Why this hive's own files cannot be written now; None when they can."""
        return self._house.trouble

    def _post(self, message: Message) -> None:
        with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            self._send.send_nowait(message)

    def _start(self, task: Callable[..., Any], *arguments: object) -> None:
        if self._tasks is not None:
            self._tasks.start_soon(task, *arguments)

    def _handle(self, message: Message) -> None:
        match message:
            case SpawnAsked(order=order, reply=reply):
                self._on_spawn(order, reply)
            case StopAsked(worker_id=worker_id, force=force, again=again):
                worker = self.roster.by_id.get(worker_id)
                if worker is not None:
                    worker.again = again  # the last word counts
                    self._apply(worker, Event.FORCE if force else Event.STOP)
            case Recovered():
                self._on_recovered(message)
            case Forgotten(worker_id=worker_id):
                self.roster.by_id.pop(worker_id, None)
                self.roster.pulse.beat()
            case _:
                worker = self.roster.by_id.get(message.worker_id)
                if worker is not None and worker.state.generation == message.generation:
                    self._on_news(worker, message)

    def _on_spawn(self, order: Order, reply: Reply) -> None:
        known = self._commands.get(order.command_id) if order.command_id else None
        if known is not None:
            reply.give(known, created=False)
            return
        engine = self._engines.get(order.spec.engine)
        if engine is None:
            reply.refuse(EngineUnusable(f"There is no engine {order.spec.engine!r} here."))
            return
        state = WorkerState(
            worker_id=WorkerId(f"worker-{secrets.token_hex(4)}"),
            spec=order.spec,
            status="stopped",
            port=0,
            created_at=time.time(),
            manual=order.manual,
            command_id=order.command_id,
            asked=order.asked,
            fit=order.fit,
        )
        try:
            state.port = self._choose_port(None)
            key = self.store.create(state)
        except RbeeError as error:
            reply.refuse(error)
            return
        worker = self._add(state, key)
        if worker is not None:
            self._apply(worker, Event.SPAWN)
            reply.give(worker.id, created=True)

    def _add(self, state: WorkerState, key: str) -> Worker | None:
        engine = self._engines.get(state.spec.engine)
        if engine is None:
            return None
        worker = Worker(state, key, engine)
        self.roster.by_id[worker.id] = worker
        if state.command_id:
            self._commands[state.command_id] = worker.id
            while len(self._commands) > COMMANDS_KEPT_MAX:
                del self._commands[next(iter(self._commands))]
        return worker

    def _on_recovered(self, message: Recovered) -> None:
        worker = self._add(message.state, message.key)
        if worker is None:
            return
        state, status = worker.state, worker.state.status
        worker.running = message.running
        state.status = "stopped"
        _log.info("worker found", worker_id=worker.id, verdict=message.verdict.name.lower())
        match message.verdict:
            case Verdict.ADOPT if state.ready_at is None:
                self._apply(worker, Event.FOUND_LOADING)
                self._watch(worker)
            case Verdict.ADOPT:
                self._apply(worker, Event.FOUND_READY)
                self._watch(worker)
            case Verdict.RESTART:
                worker.running = None
                self._next_generation(worker)
                self._apply(worker, Event.SPAWN)
            case _:
                state.status = status
                worker.failure = EngineError(state.reason or "It failed under an earlier hive.")
        self.roster.pulse.beat()

    def _on_news(self, worker: Worker, news: News) -> None:
        match news:
            case Started(running=running):
                self._on_started(worker, running)
            case NotStarted(error=error):
                worker.failure = error
                worker.state.reason = error.message
                leaving = worker.state.status in lifecycle.LEAVING
                self._apply(worker, Event.ENDED if leaving else Event.FAILED)
            case Ended(word=word):
                self._on_ended(worker, word)
            case Answered(reading=reading):
                worker.look(reading, time.monotonic())
                worker.state.ready_at = now = time.time()
                worker.state.load_s = round(now - (worker.state.started_at or now), 3)
                worker.state.reason = None
                self._apply(worker, Event.ANSWERED)
            case Looked():
                self._on_looked(worker, news)
            case TimedOut():
                self._fail(worker, f"It was not ready within {self._limits.load_s:g} s.")
            case Hung(why=why):
                worker.hung = worker.state.reason = why
                self._apply(worker, Event.HUNG)
            case Drained():
                self._apply(worker, Event.DRAINED)
            case Stuck():
                self._fail(worker, "Its process does not end, not even when killed.")
            case _:
                pass

    def _on_started(self, worker: Worker, running: Running) -> None:
        worker.running = running
        worker.state.shim, worker.state.engine = running.shim, running.engine
        worker.state.started_at = time.time()
        self._write(worker)
        self.roster.pulse.beat()
        if worker.state.status == "starting":
            self._start(tasks.probe_ready, worker, self._limits.load_s, self._post)
        else:  # called off while it was being started
            self._start(tasks.end, worker, running, self._post)

    def _on_ended(self, worker: Worker, word: ExitFile) -> None:
        state = worker.state
        worker.running = state.shim = state.engine = None
        worker.end_life()
        if state.status in lifecycle.LEAVING:
            self._apply(worker, Event.ENDED)
            return
        if state.status not in {"starting", "ready", "busy"}:
            self.roster.pulse.beat()
            return
        words = logs.last_words(logs.log_path(self.store.directory(worker.id)))
        verdict = deaths.take_in(worker, word, words, time.time(), self._budget)
        _log.warning("worker ended", worker_id=worker.id, reason=state.reason)
        if isinstance(verdict, GiveUp):
            self._apply(worker, Event.SPENT)
            return
        worker.backoff_s = verdict.delay_s
        self._next_generation(worker, avoid_port=word.code == WorkerExit.PORT_TAKEN)
        self._apply(worker, Event.CRASHED)

    def _on_looked(self, worker: Worker, news: Looked) -> None:
        worker.usage, worker.tokens_per_s = news.usage, news.tokens_per_s
        worker.look(news.reading, time.monotonic())
        total, busy = news.reading.slots_total, news.reading.slots_busy
        if total is not None and busy is not None:
            self._apply(worker, Event.FILLED if busy >= total else Event.FREED)

    # ── effects ──────────────────────────────────────────────────────────────

    def _apply(self, worker: Worker, event: Event) -> None:
        """Take the step that ``event`` means and have its effects carried out."""
        state, before = worker.state, worker.state.status
        step = lifecycle.step(before, event)
        if Effect.RELEASE in step.effects and worker.again and worker.running is None:
            worker.forgive()
            self._next_generation(worker)
            self._apply(worker, Event.SPAWN)
            return
        state.status = step.status
        if step.status != before or step.effects:
            _log.info("worker", worker_id=worker.id, on=event.name.lower(), status=step.status)
            if {before, step.status} != {"ready", "busy"}:
                self._write(worker)
        for effect in step.effects:
            self._carry_out(worker, effect)
        if step.status != before or step.effects:
            self.roster.pulse.beat()
        if step.status == "error" != before:
            self._stop_old_failures()

    def _stop_old_failures(self) -> None:
        """Let the oldest failures go: a colony that retries must not fill this memory."""
        failed = [each for each in self.roster.by_id.values() if each.state.status == "error"]
        for worker in failed[:-ERRORS_KEPT_MAX]:
            self._post(StopAsked(worker.id, force=True))

    def _carry_out(self, worker: Worker, effect: Effect) -> None:
        match effect:
            case Effect.LAUNCH:
                self._launch(worker)
            case Effect.PROBE:
                self._start(tasks.probe_ready, worker, self._limits.load_s, self._post)
            case Effect.ATTEND:
                self._start(tasks.attend, worker, self.store, self._limits.hang_s, self._post)
            case Effect.DRAIN:
                self._start(tasks.drain, worker, self._limits.drain_s, self._post)
            case Effect.TERMINATE | Effect.KILL:
                worker.life.end()
                if worker.running is not None:
                    self._start(tasks.end, worker, worker.running, self._post)
            case Effect.RELEASE:
                self.store.forget(worker.id)
                self._start(self._forget_later, worker)

    def _launch(self, worker: Worker) -> None:
        state = worker.state
        name = name_of(self.store.root, f"{state.worker_id}-{state.generation}")
        measures = plan.decide(self._limits.isolation, name, state.spec.memory_max_bytes)
        state.isolation = list(measures.protections)
        worker.outside = self._limits.outside()
        state.outside = worker.outside.host if worker.outside else None
        self._start(tasks.launch, worker, self.store, self._launch_limits, measures, self._post)

    def _watch(self, worker: Worker) -> None:
        if worker.running is not None:
            self._start(
                tasks.watch,
                worker,
                worker.state.generation,
                self.store,
                worker.running,
                self._post,
            )

    def _next_generation(self, worker: Worker, *, avoid_port: bool = False) -> None:
        """Prepare another process: a new generation, the same port if it is free."""
        worker.next_generation()
        with contextlib.suppress(RbeeError):  # no port: it dies of the old one and says so
            worker.state.port = self._choose_port(worker, avoid=avoid_port)

    def _choose_port(self, worker: Worker | None, *, avoid: bool = False) -> int:
        taken = {
            other.state.port
            for other in self.roster.by_id.values()
            if other.state.status != "stopped" and (other is not worker or avoid)
        }
        preferred = worker.state.port if worker is not None else None
        outside = self._limits.outside()
        is_free = partial(ports.can_bind_both, outside=outside.host) if outside else ports.can_bind
        return ports.choose(self._limits.first_port, taken, preferred=preferred, is_free=is_free)

    def _fail(self, worker: Worker, reason: str) -> None:
        worker.state.reason = reason
        worker.failure = EngineError(f"Worker {worker.id} ({worker.state.spec.model}): {reason}")
        self._apply(worker, Event.FAILED)

    def _write(self, worker: Worker) -> None:
        """Write the state down. A full disk stops no worker; it is told as trouble."""
        if worker.state.status == "stopped":
            return
        try:
            self.store.write(worker.state)
            self._house.trouble = None
        except RbeeError as error:
            self._house.trouble = error.message
            _log.error("state not written", worker_id=worker.id, reason=error.message)

    async def _forget_later(self, worker: Worker) -> None:
        await anyio.sleep(STOPPED_SHOWN_S)
        self._post(Forgotten(worker_id=worker.id, generation=worker.state.generation))
