"""Names of things, as types, so that a worker's id is never passed for a model's."""

import re
from typing import Final, NewType

HiveId = NewType("HiveId", str)
WorkerId = NewType("WorkerId", str)
ModelId = NewType("ModelId", str)
JobId = NewType("JobId", str)

LOCAL_HIVE_NAMES = frozenset({"localhost", "self", "local", "127.0.0.1", "::1"})
"""Values of ``hive_id`` that always name the hive on the queen's own machine."""

_HIVE_ID: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")


def is_hive_id(text: str) -> bool:
    """Whether a hive may have this id: 1 to 64 letters, digits, dots, dashes, underscores."""
    return _HIVE_ID.fullmatch(text) is not None and text.lower() not in LOCAL_HIVE_NAMES
