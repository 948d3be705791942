"""The steps of a job in a few words each, for the line that moves. Pure.

A job's events are for programs and logs: they hold process ids, memory estimates
and all reasons. A person who waits wants to know what is being waited for. The
rule: an event that this file does not know is shown as it came, so that a newer
server's news are never lost.
"""

from typing import TypeVar

import msgspec

from rbee.contracts.jobs import JobEvent
from rbee.contracts.status import InferQueued, InferSpawning
from rbee.contracts.workers import WorkerProcess

T = TypeVar("T")

_FIRST_PLACE = 1  # whoever is next wants no number
_SAID_BY_THE_COMMAND = frozenset({"model_download_complete"})
_ROOM_IS_ENOUGH = "Memory: it fits"  # how the hive begins when there is nothing to decide


def step_text(event: JobEvent) -> str | None:
    """What to show for an event; None when it says nothing new to a person."""
    if event.action in _SAID_BY_THE_COMMAND or event.message.startswith(_ROOM_IS_ENOUGH):
        return None
    match event.action:
        case "infer_queued" if queued := _read(event, InferQueued):
            place = "" if queued.position <= _FIRST_PLACE else f" at position {queued.position}"
            return f"waiting{place}: {queued.reason}"
        case "infer_worker_spawn" if spawning := _read(event, InferSpawning):
            return _starting(spawning.model, spawning.hive_id)
        case "worker_spawn_health_check" if worker := _read(event, WorkerProcess):
            return f"loading {worker.model}"
        case "worker_spawn_progress" if worker := _read(event, WorkerProcess):
            return _as_step(event.message) if worker.reason else None  # the first start was told
        case _:
            return _as_step(event.message)


def _starting(model: str, hive_id: str) -> str:
    return f"starting a worker for {model} on {hive_id}"


def _as_step(message: str) -> str:
    """As the keeper's own steps are written: "loading ...", no capital, no full stop."""
    verb, _, _ = message.partition(" ")
    if verb.endswith("ing"):  # a verb and no model's name, which keeps its capitals
        message = verb.lower() + message[len(verb) :]
    return message.removesuffix(".")


def _read(event: JobEvent, type_: type[T]) -> T | None:
    try:
        return msgspec.convert(event.data, type_)
    except msgspec.ValidationError:
        return None  # another version's shape: its message says it
