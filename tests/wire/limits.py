"""The default limits of the interface, and where in the code each one stands.

``module:NAME`` is a constant, ``module:Struct.field`` a setting's default.
"""

from typing import NamedTuple

_KIB = 1024
_MIB = 1024 * _KIB


class Limit(NamedTuple):
    """A default: what it bounds, its value, and where it stands once it is delivered."""

    what: str
    value: float
    where: str
    step: int = 2


LIMITS = [
    Limit("request body", 32 * _MIB, "rbee.foundation.http.body:BODY_BYTES_MAX"),
    Limit("a job's log", 4 * _MIB, "rbee.foundation.job:LOG_BYTES_MAX"),
    Limit("a job's log after its end", 3600, "rbee.foundation.jobserver:ENDED_KEPT_S"),
    Limit("keep-alive comments", 15, "rbee.foundation.sse:KEEP_ALIVE_EVERY_S"),
    Limit("infer max_tokens", 100, "rbee.contracts.jobs:MAX_TOKENS_DEFAULT"),
    Limit("infer temperature", 0.7, "rbee.contracts.jobs:TEMPERATURE_DEFAULT"),
    Limit("waiting requests of a colony", 1000, "rbee.queen.settings:Settings.queue_max"),
    Limit("waiting requests of a model", 256, "rbee.queen.settings:Settings.queue_per_model_max"),
    Limit("longest wait", 300, "rbee.queen.settings:Settings.wait_max_s"),
    Limit("telemetry of the queen", 2.5, "rbee.queen.settings:TELEMETRY_EVERY_S"),
    Limit("port of the queen", 7833, "rbee.queen.settings:Settings.port"),
    Limit("port of the hive", 7835, "rbee.hive.settings:HiveSettings.port"),
    Limit("first port of workers", 9000, "rbee.hive.settings:HiveSettings.first_worker_port"),
    Limit("context of a worker", 8192, "rbee.hive.settings:HiveSettings.context_length"),
    Limit("slots of a worker", 4, "rbee.hive.settings:HiveSettings.slots"),
    Limit("cold load", 600, "rbee.hive.settings:HiveSettings.load_s"),
    Limit("drain", 120, "rbee.hive.settings:HiveSettings.drain_s"),
    Limit("life of a worker without a hive", 600, "rbee.hive.settings:HiveSettings.orphan_s"),
    Limit("restarts of a worker", 3, "rbee.hive.settings:HiveSettings.restarts_max"),
    Limit("keep-alive of an idle model", 900, "rbee.hive.settings:HiveSettings.keep_alive_s"),
    Limit("credit window of a stream", 256 * _KIB, "rbee.foundation.mux.frames:WINDOW_BYTES", 5),
    Limit("a browser's session", 43_200, "rbee.foundation.http.sessions:SESSION_S", 5),
    Limit(
        "attempts to sign in, a minute and address",
        10,
        "rbee.foundation.http.sessions:SIGN_INS_PER_MIN",
        5,
    ),
    Limit("a subscriber's queue of events", 1000, "", 6),
]
