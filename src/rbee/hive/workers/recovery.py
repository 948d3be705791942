"""Carry out the adoption at a hive's start: look, decide, end what is of no use.

Runs once, before the supervisor's loop takes any command, so that no port and no
worker id is given twice. The looks at the ports go on side by side.
"""

import time

import anyio
import msgspec

from rbee.foundation import logs
from rbee.foundation.processes import end_tree
from rbee.hive.engines.catalog import Engines
from rbee.hive.workers import adoption, launching
from rbee.hive.workers.adoption import Found, Verdict
from rbee.hive.workers.launching import STOP_GRACE_S
from rbee.hive.workers.messages import Recovered
from rbee.hive.workers.probe import Probe, Target, Whose
from rbee.hive.workers.state import StateStore, WorkerState

_ASK_AGAIN_S = 0.5  # a port that is silent now: a worker that is swapped in, a full accept queue
_ASKS = 3

_log = logs.get(__name__)


async def recover(store: StateStore, engines: Engines) -> list[Recovered]:
    """The workers of an earlier hive, oldest first; strays are ended."""
    states = sorted(store.states(), key=lambda state: state.created_at)
    found: list[Recovered] = []

    async def one(state: WorkerState) -> None:
        recovered = await _recover_one(state, store, engines)
        if recovered is not None:
            found.append(recovered)

    async with anyio.create_task_group() as group:
        for state in states:
            group.start_soon(one, state)
    kept = {store.directory(each.state.worker_id) for each in found if each.running is not None}
    for stray in adoption.strays(store.root, kept):
        _log.warning("ending a stray worker process", pid=stray.pid)
        await end_tree(stray, grace_s=STOP_GRACE_S)
    found.sort(key=lambda each: each.state.created_at)
    return found


async def _recover_one(state: WorkerState, store: StateStore, engines: Engines) -> Recovered | None:
    key = store.key_of(state.worker_id)
    found = adoption.look(state, store.directory(state.worker_id))
    if found.running is not None and state.ready_at is not None and key is not None:
        found = msgspec.structs.replace(found, whose=await _whose(state, key))
    verdict = adoption.decide(state, found)
    usable = key is not None and engines.get(state.spec.engine) is not None
    if verdict is Verdict.ADOPT and usable and key is not None:
        return Recovered(_with_marks(state, found), key, found.running, verdict)
    if found.running is not None:
        await launching.end(found.running)
    if verdict in {Verdict.END, Verdict.FORGET} or not usable or key is None:
        store.forget(state.worker_id)
        return None
    return Recovered(state, key, None, verdict)


async def _whose(state: WorkerState, key: str) -> Whose:
    probe = Probe(
        Target(
            host=state.host,
            port=state.port,
            key=key,
            model=state.spec.model,
            task=state.spec.task,
        )
    )
    try:
        for _ in range(_ASKS):
            whose = await probe.whose()
            if whose is not Whose.SILENT:
                return whose
            await anyio.sleep(_ASK_AGAIN_S)
        return Whose.SILENT
    finally:
        await probe.aclose()


def _with_marks(state: WorkerState, found: Found) -> WorkerState:
    """The state with the marks of what runs: the last hive may have died before it wrote them."""
    if found.running is not None:
        state.shim, state.engine = found.running.shim, found.running.engine
        state.started_at = state.started_at or time.time()
    return state
