"""Whose turn it is when models compete for the same memory: swaps are kept few, waits bounded.

Pure. A loaded model serves its queue before it gives way: everybody who came before
the waiting model's first client, and for a hold after that. So a shuffled burst over K
models costs K loads, one batch each. Who comes later than the hold does not prolong the
turn, and after the longest hold it ends whatever the queue: no model waits for ever.
"""

from typing import Final

import msgspec

from rbee.queen.placement_settings import PlacementSettings

LOADS_WORTH: Final = 4.0
"""A turn lasts at least so many load times: at most a fifth of the time goes into loads."""


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """The loaded model's turn. ``oldest_waiting`` is null when nobody waits for it."""

    serving_s: float
    oldest_waiting: float | None


def is_over(
    turn: Turn,
    *,
    waiting_since: float,
    load_s: float | None,
    settings: PlacementSettings,
    now: float,
) -> bool:
    """Whether a model in use gives way to one whose first client came at ``waiting_since``.

    ``load_s`` is what the waiting model's load will take, null when unknown.
    """
    hold = min(settings.hold_max_s, max(settings.hold_s, LOADS_WORTH * (load_s or 0.0)))
    waited = now - waiting_since
    if min(turn.serving_s, waited) < hold:
        return False
    if min(turn.serving_s, waited) >= settings.hold_max_s:
        return True
    return turn.oldest_waiting is None or turn.oldest_waiting > waiting_since + hold
