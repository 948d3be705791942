"""What the supervisor is told once, when the hive starts."""

from collections.abc import Callable

import msgspec

from rbee.hive.engines.engine import Outside
from rbee.hive.isolation.plan import Found
from rbee.hive.workers.lifecycle import Budget


class SupervisorLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The settings that matter here; see ``hive.settings``."""

    first_port: int
    budget: Budget
    drain_s: float
    load_s: float
    orphan_s: float
    log_bytes_max: int
    hang_s: float
    isolation: Found
    outside: Callable[[], Outside | None] = lambda: None
    """Where a worker that is started now takes connections of a queen elsewhere."""
