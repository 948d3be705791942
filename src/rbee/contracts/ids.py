"""Names of things, as types, so that a worker's id is never passed for a model's."""

from typing import NewType

HiveId = NewType("HiveId", str)
WorkerId = NewType("WorkerId", str)
ModelId = NewType("ModelId", str)
JobId = NewType("JobId", str)

LOCAL_HIVE_NAMES = frozenset({"localhost", "self", "local", "127.0.0.1", "::1"})
"""Values of ``hive_id`` that always name the hive on the queen's own machine."""
