"""How a request ended, in the words that `rbee why` shows."""

from typing import Final

from rbee.errors import RbeeError, RequestCancelled
from rbee.queen.inference.answer import Ending, Leg

_STATUS_OK: Final = 200


def outcome(leg: Leg | Ending | None, error: BaseException | None) -> str:
    """How a request ended, for who asks why."""
    if isinstance(error, RbeeError):
        verb = "stopped" if isinstance(error, RequestCancelled) else "failed"
        return f"{verb}: {error.message}"
    if error is not None:
        return "stopped: the client left, or the queen was stopping"
    if isinstance(leg, Leg):
        upstream = leg.upstream
        if upstream.failed:
            return "failed: its worker broke off in mid-answer"
        if upstream.status != _STATUS_OK:
            return f"refused by the engine with {upstream.status}"
        if upstream.whole_s is None:
            return "stopped before the answer's end"
    return "completed"
