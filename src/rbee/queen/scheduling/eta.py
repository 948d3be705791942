"""When it will be one's turn: from answers and loads that were measured, never guessed.

Admission notes how long every answer held its slot; a waiting client, a full
queue's ``Retry-After`` and the fair queue's costs are reckoned from that. What was
not measured is null. Pure arithmetic over what ``note`` was given.
"""

import math
from typing import Final

_WEIGHT: Final = 0.1  # of a new answer: the last twenty or so make up nine tenths of the mean
_ENOUGH: Final = 3  # answers of a key before its own mean says anything
_COST_MIN: Final = 0.1  # beyond a factor of ten it is an accident of some answers, not a habit
_COST_MAX: Final = 10.0  # the same on the other side

_KEYS_MAX: Final = 4096  # (model, principal) pairs that are remembered; the oldest go

RETRY_DEFAULT_S: Final = (
    10  # when nothing was measured: about an answer's length on a small machine
)
RETRY_MIN_S: Final = 1  # the header counts whole seconds
RETRY_MAX_S: Final = 120  # much will have changed by then


class _Mean:
    __slots__ = ("count", "value")

    def __init__(self) -> None:
        self.value = 0.0
        self.count = 0

    def note(self, value: float) -> None:
        self.count += 1
        # The first answers are averaged evenly: one long answer must not count for twenty.
        self.value += (value - self.value) * max(_WEIGHT, 1.0 / self.count)


class ServiceTimes:
    """How long answers hold their slots, by model and by principal."""

    def __init__(self) -> None:
        self._models: dict[str, _Mean] = {}
        self._principals: dict[tuple[str, str], _Mean] = {}

    def note(self, model: str, principal: str, service_s: float) -> None:
        """An answer held its slot for ``service_s``."""
        mean = self._models.get(model)
        if mean is None:
            mean = self._models[model] = _Mean()
        mean.note(service_s)
        key = (model, principal)
        mean = self._principals.get(key)
        if mean is None:
            if len(self._principals) >= _KEYS_MAX:
                del self._principals[next(iter(self._principals))]
            mean = self._principals[key] = _Mean()
        mean.note(service_s)

    def mean_s(self, model: str) -> float | None:
        """An answer's length on this model, in seconds of its slot; None before the first."""
        mean = self._models.get(model)
        return None if mean is None else mean.value

    def cost(self, model: str, principal: str) -> float:
        """What a principal's answer takes, in average answers of the model."""
        mean, own = self._models.get(model), self._principals.get((model, principal))
        if mean is None or own is None or own.count < _ENOUGH or mean.value <= 0:
            return 1.0
        return min(_COST_MAX, max(_COST_MIN, own.value / mean.value))


def turn_eta_s(position: int, slots: int, mean_s: float | None) -> float | None:
    """Seconds until the one at ``position`` has a slot, while ``slots`` are all in use."""
    if mean_s is None or slots < 1:
        return None
    return position * mean_s / slots


def load_eta_s(
    position: int,
    slots: int,
    mean_s: float | None,
    *,
    load_s: float | None,
    loading_for_s: float,
) -> float | None:
    """Seconds until the one at ``position`` has a slot of a worker that is still loading.

    ``load_s`` is how long the model took before, ``slots`` how many the worker is
    expected to have. None also when it takes longer than it ever did.
    """
    if load_s is None or loading_for_s > load_s:
        return None
    left_s = load_s - loading_for_s
    behind = position - slots
    if behind <= 0:
        return left_s
    turn_s = turn_eta_s(behind, slots, mean_s)
    return None if turn_s is None else left_s + turn_s


def retry_after_s(waiting: int, slots: int, mean_s: float | None) -> int:
    """When to come back to a full queue: once half of those who wait have been served.

    Sooner, and all who were refused would find it full again.
    """
    half_s = turn_eta_s(max(1, waiting // 2), slots, mean_s)
    if half_s is None:
        return RETRY_DEFAULT_S
    return min(RETRY_MAX_S, max(RETRY_MIN_S, math.ceil(half_s)))
