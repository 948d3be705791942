"""Which models go when room is wanted: pure.

The least recently used go first, one after the other until it is enough; what is
loaded, pinned or on its way stays. When even all that may go is not enough, nothing goes:
a download that is refused shall not have cost anybody a model.
"""

from collections.abc import Sequence

import msgspec


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What one model takes of the quota: the bytes that its removal would free.

    ``used_at`` is Unix seconds: its last use, else when it came. ``kept`` says why
    it may not go, null if it may.
    """

    id: str
    size_bytes: int
    used_at: float
    kept: str | None = None


class Clearing(msgspec.Struct, frozen=True, kw_only=True):
    """What must go, least recently used first; ``short_bytes`` over 0: nothing helps."""

    remove: tuple[Held, ...] = ()
    short_bytes: int = 0


def plan_clearing(held: Sequence[Held], needed_bytes: int, quota_bytes: int) -> Clearing:
    """What to remove so that ``held`` and ``needed_bytes`` more are within the quota."""
    excess = sum(one.size_bytes for one in held) + needed_bytes - quota_bytes
    if excess <= 0:
        return Clearing()
    remove: list[Held] = []
    may_go = [one for one in held if one.kept is None and one.size_bytes > 0]
    for one in sorted(may_go, key=lambda one: (one.used_at, one.id)):
        remove.append(one)
        excess -= one.size_bytes
        if excess <= 0:
            return Clearing(remove=tuple(remove))
    return Clearing(short_bytes=excess)
