"""No room now: each says when to come back."""

from rbee.errors.root import RbeeError


class CapacityError(RbeeError):
    """There is no room now; ``retry_after_s`` says when to come back."""

    code = "no_capacity"
    status = 503
    remedy = "Try again later, or add a hive."

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: int = 5,
        remedy: str | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy, param=param)
        self.retry_after_s = retry_after_s


class NoCapacity(CapacityError):
    """No hive can run the model now."""


class QueueFull(CapacityError):
    """The queue is at its bound, or a request waited its longest."""

    code = "queue_full"


class RateLimited(CapacityError):
    """A key has used up its limit for now; ``headers`` are its ``x-ratelimit-*``."""

    code = "rate_limited"
    status = 429
    remedy = "Wait as long as Retry-After says; the limit is the key's (`rbee keys list`)."
    headers: tuple[tuple[bytes, bytes], ...] = ()


class QuotaExceeded(CapacityError):
    """A key has used up its tokens of the day."""

    code = "quota_exceeded"
    status = 429
    remedy = "It begins anew at midnight, UTC; the operator sets it (`rbee keys list`)."


class ShuttingDown(CapacityError):
    """The server is going away."""

    code = "shutting_down"
    remedy = "Try again in a few seconds: it may be restarting."
