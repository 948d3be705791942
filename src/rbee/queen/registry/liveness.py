"""Who counts as alive: the only liveness table of rbee, as a table.

Silence means unknown, not dead. What a hive's silence does grows with its age,
and nothing is forgotten before a minute has passed; a worker is dead at once only
when its connection was refused or reset, or when its hive says so. When most of
the colony falls silent together, the likely fault is the queen's own network or
load, and nothing is forgotten at all until that is over.
"""

from collections.abc import Mapping
from typing import Final, Literal

from rbee.contracts.ids import HiveId

HiveState = Literal["fresh", "degraded", "down", "gone"]

DEGRADED_AFTER_S: Final = 3.0  # three missed beats
DOWN_AFTER_S: Final = 10.0  # a daemon's restart fits well below
GONE_AFTER_S: Final = 60.0  # a machine's network may take half a minute to come back
ANSWER_COUNTS_S: Final = 3.0  # a direct answer stands in for the three beats that are missing
REVIVE_AFTER_S: Final = 10.0  # a hive sees a real death within 3 s; who is still ready then, lives
REMOTE_REVIVE_AFTER_S: Final = 3.0  # over a network it may have been the way that died, not it
TOLD_WITHIN_S: Final = 3.0  # a hive sees a death, and says in a beat that it restarts the worker
LAG_MAX_S: Final = 2.0  # the queen herself did not run: beats may wait unread in the sockets
FROZEN_MAX_S: Final = 300.0  # a mass loss that lasts this long is no glitch

TABLE: Final[tuple[tuple[float, HiveState], ...]] = (
    (DEGRADED_AFTER_S, "fresh"),
    (DOWN_AFTER_S, "degraded"),
    (GONE_AFTER_S, "down"),
)
"""(age of the last beat in seconds up to and including, state); older is ``gone``."""


def hive_state(beat_age_s: float) -> HiveState:
    """The state of a hive whose last beat is so old."""
    for age_max_s, state in TABLE:
        if beat_age_s <= age_max_s:
            return state
    return "gone"


def may_spawn(state: HiveState) -> bool:
    """Whether new workers may be started on a hive in this state."""
    return state == "fresh"


def may_route(state: HiveState, answer_age_s: float | None) -> bool:
    """Whether a hive's ready worker takes requests.

    ``answer_age_s`` is how long ago the worker itself answered the queen, null if
    it never did: without beats it is used only while direct answers keep coming.
    """
    if state == "fresh":
        return True
    return state != "gone" and answer_age_s is not None and answer_age_s <= ANSWER_COUNTS_S


def is_mass_loss(hives: int, lost: int) -> bool:
    """Whether so many lost at once say more about the queen than about the hives.

    One of one, or one of two, is an ordinary loss.
    """
    return lost > 1 and lost * 2 > hives


def to_forget(
    beat_ages_s: Mapping[HiveId, float], *, lag_s: float, hives: int | None = None
) -> set[HiveId]:
    """The hives whose workers leave the registry now.

    ``hives`` is how many there are, where only the silent ones' ages are given. ``lag_s`` is how much later than planned this judgement is made: a queen that
    did not run for a while has missed beats that were sent.
    """
    if lag_s > LAG_MAX_S:
        return set()
    gone = {hive for hive, age in beat_ages_s.items() if hive_state(age) == "gone"}
    if is_mass_loss(len(beat_ages_s) if hives is None else hives, len(gone)):
        return {hive for hive in gone if beat_ages_s[hive] > FROZEN_MAX_S}
    return gone
