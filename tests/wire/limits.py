"""The default limits of the interface, and where in the code each one stands."""

from typing import NamedTuple

_KIB = 1024
_MIB = 1024 * _KIB


class Limit(NamedTuple):
    """A default: what it bounds, its value, and ``module:NAME`` once it is delivered."""

    what: str
    value: float
    where: str
    step: int = 2


LIMITS = [
    Limit("request body", 32 * _MIB, "rbee.foundation.http.body:BODY_BYTES_MAX"),
    Limit("a job's log", 4 * _MIB, "rbee.foundation.jobserver:LOG_BYTES_MAX"),
    Limit("a job's log after its end", 3600, "rbee.foundation.jobserver:ENDED_KEPT_S"),
    Limit("keep-alive comments", 15, "rbee.foundation.sse:KEEP_ALIVE_EVERY_S"),
    Limit("infer max_tokens", 100, "rbee.contracts.jobs:MAX_TOKENS_DEFAULT"),
    Limit("infer temperature", 0.7, "rbee.contracts.jobs:TEMPERATURE_DEFAULT"),
    Limit("credit window of a stream", 256 * _KIB, "", 5),
    Limit("a subscriber's queue of events", 1000, "", 6),
]
