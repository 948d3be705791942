"""An engine ended and nobody wanted it: what it means, and whether another is started.

The supervisor's loop calls ``take_in`` with what the shim told; the rules of the
budget are ``lifecycle``'s. Here the causes are told apart: an exit status that
says why, a kill for memory, a hang that we ended ourselves, a crash.
"""

from typing import Final

from rbee.contracts.exits import WorkerExit, explain_exit
from rbee.errors import CorruptModel, EngineError, EngineUnusable, OutOfMemory, RbeeError
from rbee.hive.workers import lifecycle
from rbee.hive.workers.lifecycle import Budget, GiveUp, Restart
from rbee.hive.workers.record import Worker
from rbee.hive.workers.state import ExitFile, WorkerState

KILL_SIGNAL: Final = 9  # SIGKILL, which Windows' signal module has no name for
_MIB: Final = 1024 * 1024

_ERROR_OF_EXIT: dict[int, type[RbeeError]] = {
    WorkerExit.BAD_MODEL: CorruptModel,
    WorkerExit.ENGINE_UNUSABLE: EngineUnusable,
    WorkerExit.OUT_OF_MEMORY: OutOfMemory,
}


def take_in(
    worker: Worker, word: ExitFile, words: str | None, now: float, budget: Budget
) -> Restart | GiveUp:
    """Count the death at ``now`` (Unix seconds) and judge it; sets failure and reason.

    ``word`` is the shim's, ``words`` are the engine's last ones.
    """
    state, hung = worker.state, worker.hung
    verdict: Restart | GiveUp
    if hung is not None:
        state.hangs = [*lifecycle.counted(state.hangs, now, lifecycle.HANG_WINDOW_S), now]
        verdict = lifecycle.judge_hang(state.hangs, now, budget)
    else:
        if lifecycle.is_early(state.ready_at, now):
            state.deaths = [*lifecycle.counted(state.deaths, now, budget.window_s), now]
        verdict = lifecycle.judge(state.deaths, word.code, now, budget)
    why = verdict.why if isinstance(verdict, GiveUp) else "it is started again"
    worker.failure = error_of_end(state, word, words, why, hung=hung)
    state.reason = worker.failure.message
    worker.hung = None
    return verdict


def error_of_end(
    state: WorkerState, word: ExitFile, words: str | None, why: str, *, hung: str | None = None
) -> RbeeError:
    """What an unwanted end means for whoever waits for the worker.

    ``words`` are the engine's last ones, ``why`` says why it is not started again,
    ``hung`` why we ended it ourselves.
    """
    # Who was killed from outside spoke of something else.
    killed = word.signal == KILL_SIGNAL or hung is not None
    said = f" It said: {words}" if words and not killed else ""
    full_stop = "" if said.endswith((".", "!", "?")) else "."
    kind = _ERROR_OF_EXIT.get(word.code, EngineError) if word.code is not None else EngineError
    return (OutOfMemory if word.out_of_memory else kind)(
        f"Worker {state.worker_id} ({state.spec.model}) ended: {_meaning(state, word, hung)}; {why}."
        f"{said}{full_stop if said else ''}"
    )


def _meaning(state: WorkerState, word: ExitFile, hung: str | None) -> str:
    if hung is not None:
        return f"it hung ({hung}) and was ended"
    if word.out_of_memory:
        limit = state.spec.memory_max_bytes
        of = f" of {limit / _MIB:,.0f} MiB" if limit is not None else ""
        return f"it went over its memory limit{of} and the system ended it"
    if word.error:
        return f"cannot be started: {word.error}"
    return explain_exit(word.status)
