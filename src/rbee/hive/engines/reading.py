"""What one look at a worker tells: the answer of every engine's ``read``."""

import msgspec


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker says of itself in one look. Unknown is null.

    ``tokens_total`` counts generated tokens since its start, those of answers under way
    included; the hive makes a rate of it. ``steps`` counts the engine's own steps, those
    through prompts included: by it a hive tells slow from stuck. ``requests_total`` counts
    requests begun since the process's start, the hive's own question at its start among them.
    """

    slots_total: int | None = None
    slots_busy: int | None = None
    queued: int | None = None
    tokens_total: float | None = None
    steps: float | None = None
    requests_total: int | None = None
