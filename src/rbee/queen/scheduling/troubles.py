"""Spawns that failed: which model, on which hive, and when to try again.

Pure bookkeeping with ``now`` given. A model that failed on one hive is started on
another at once; on the same one only after a pause that doubles each time. A hive
whose engines fail is passed over for a while where another could do it; it is no
hive's fault when a model does not fit, is damaged or cannot be fetched.
"""

import copy
from collections.abc import Iterable
from typing import Final

import msgspec

from rbee.errors import (
    CapacityError,
    ContractError,
    HubError,
    NoCapacity,
    OutOfMemory,
    RbeeError,
    StorageError,
)

BACKOFF_S: Final = 10.0
"""A model that failed to start is not tried again for so long: a crash loop would
otherwise be driven by every client's retry."""

BACKOFF_MAX_S: Final = 160.0  # the fifth failure in a row; below the longest wait of 300 s
PASSED_OVER_S: Final = 30.0  # a hive's restart or a driver's reset is over by then
PASSED_OVER_MAX_S: Final = 480.0  # who mends a machine does not want to wait for longer
FORGOTTEN_AFTER_S: Final = 300.0  # what failed so long before the last pause ended was another day
_DOUBLINGS_MAX: Final = 8  # both pauses are at their longest before


class Failure(msgspec.Struct, frozen=True):
    """A spawn that failed, and when it may be tried again."""

    error: RbeeError
    again_at: float
    count: int = 1


class _Circuit(msgspec.Struct, frozen=True):
    until: float
    count: int


class Troubles:
    """Failures by model and hive. One owner; ``key`` is ``decisions.source_key``'s."""

    def __init__(self) -> None:
        self._failures: dict[str, dict[str, Failure]] = {}
        self._circuits: dict[str, _Circuit] = {}

    def failed(
        self, keys: Iterable[str], hive_id: str, cause: RbeeError, told: RbeeError, now: float
    ) -> None:
        """A spawn failed by ``cause``; ``told`` is what clients hear of it."""
        for key in set(keys):
            rows = self._failures.setdefault(key, {})
            count = 1 + (rows[hive_id].count if hive_id in rows else 0)
            pause_s = min(BACKOFF_MAX_S, BACKOFF_S * 2 ** min(count - 1, _DOUBLINGS_MAX))
            again_at = now + pause_s
            # Who failed earlier in the same search is not asked before the last one: two
            # hives that need a minute to fail would be asked in turns for ever.
            for other, row in rows.items():
                later = max(row.again_at, now + BACKOFF_S)
                rows[other] = msgspec.structs.replace(row, again_at=later)
            rows[hive_id] = Failure(told, again_at, count)
        if is_hives_fault(cause):
            before = self._circuits.get(hive_id)
            count = 1 + (before.count if before is not None else 0)
            pause_s = min(PASSED_OVER_MAX_S, PASSED_OVER_S * 2 ** min(count - 1, _DOUBLINGS_MAX))
            self._circuits[hive_id] = _Circuit(now + pause_s, count)

    def succeeded(self, keys: Iterable[str], hive_id: str) -> None:
        """A spawn came to its end: the model and the hive begin anew."""
        for key in keys:
            self._failures.pop(key, None)
        self._circuits.pop(hive_id, None)

    def sweep(self, now: float) -> None:
        """Forget what is long over."""
        for key, rows in list(self._failures.items()):
            left = {h: f for h, f in rows.items() if now < f.again_at + FORGOTTEN_AFTER_S}
            self._failures[key] = left
            if not left:
                del self._failures[key]
        self._circuits = {
            hive: one for hive, one in self._circuits.items() if now < one.until + FORGOTTEN_AFTER_S
        }

    def avoid(self, key: str, now: float) -> dict[str, str]:
        """Hives that are not asked for this model now, each with the reason."""
        rows = self._failures.get(key, {})
        return {hive: one.error.message for hive, one in rows.items() if now < one.again_at}

    def latest(self, key: str, now: float) -> Failure | None:
        """The failure that is over last, among those that are not."""
        rows = [one for one in self._failures.get(key, {}).values() if now < one.again_at]
        return min(rows, key=lambda one: one.again_at, default=None)

    def passed_over(self, now: float) -> frozenset[str]:
        """Hives that are taken only when no other can do it."""
        return frozenset(hive for hive, one in self._circuits.items() if now < one.until)


def is_hives_fault(error: RbeeError) -> bool:
    """Whether another model would likely fail there as well."""
    return not isinstance(
        error, ContractError | HubError | StorageError | CapacityError | OutOfMemory
    )


def spawn_error(model: str, hive_id: str, error: RbeeError) -> RbeeError:
    """What waiting clients are told of a failed spawn: the hive's reason, and when to come back.

    The caller's own mistakes and the source's or the disk's refusals keep their
    class; the rest may go better next time and becomes NoCapacity.
    """
    if isinstance(error, ContractError | HubError | StorageError):
        return error
    return NoCapacity(
        f"{model!r} could not be started on {hive_id}: {error.message}",
        remedy=error.remedy,
        retry_after_s=int(BACKOFF_S),
    )


def too_soon(failure: Failure, now: float) -> RbeeError:
    """The error for a request that comes while a failed spawn is still fresh."""
    error = failure.error
    if not isinstance(error, NoCapacity):
        return copy.copy(error)  # raised anew for every request: tracebacks must not pile up
    left_s = max(1, round(failure.again_at - now))
    return NoCapacity(
        f"{error.message} It is tried again in {left_s} s at the earliest.",
        remedy=error.remedy,
        retry_after_s=left_s,
    )
