"""The queue of hives that came without a token, until an operator says yes or no.

Pure; ``now`` is Unix time. A hive in here has shown a key and nothing else, so all is bounded:
how many wait, how many from one address, and for how long after they last asked. It lives
in memory: after the queen's restart the hives ask again.
"""

from typing import Final

import msgspec

from rbee.errors import Conflict, Forbidden, HiveNotFound, QueueFull

WAITING_MAX: Final = 64  # an operator reads them all
WAITING_PER_ADDRESS_MAX: Final = 8  # several hives behind one router
SILENT_S: Final = 120.0  # a hive asks again every few seconds; one that stopped has gone
REFUSED_FOR_S: Final = 3600.0  # a rejected key need not ask again at once
ASK_AGAIN_S: Final = 3.0  # a person who clicks "approve" sees the hive appear soon after

_REFUSED_MAX: Final = 1024  # rejected keys that are remembered


class Waiting(msgspec.Struct, kw_only=True):
    """A hive that waits. ``code`` is made of its key and the CA (``identity.keys``)."""

    hive_id: str
    key: str
    code: str
    address: str
    hostname: str
    version: str
    asked_at: float
    seen_at: float


class Queue:
    """Hives that wait, by their code."""

    def __init__(self) -> None:
        self._by_code: dict[str, Waiting] = {}
        self._refused_until: dict[str, float] = {}

    def ask(self, entry: Waiting) -> None:
        """Put a hive into the queue, or note that it still waits.

        Raises:
            Forbidden: an operator rejected this key.
            QueueFull: too many wait, or too many from its address.
        """
        now = entry.seen_at
        self.tidy(now)
        if self._refused_until.get(entry.key, 0.0) > now:
            raise Forbidden(
                f"An operator rejected this hive ({entry.code}).",
                remedy="Ask the operator for a token: `rbee hive token` makes one.",
            )
        before = self._by_code.get(entry.code)
        if before is not None and before.hive_id == entry.hive_id:
            before.seen_at, before.address = now, entry.address
            return
        same = sum(other.address == entry.address for other in self._by_code.values())
        if len(self._by_code) >= WAITING_MAX or same >= WAITING_PER_ADDRESS_MAX:
            raise QueueFull(
                "Too many hives wait to be let in.",
                retry_after_s=30,
                remedy="Ask the operator for a token: `rbee hive token` makes one; "
                "`rbee hive pending` shows who waits.",
            )
        self._by_code[entry.code] = entry

    def rows(self, now: float) -> list[Waiting]:
        """Who waits now, the longest first."""
        self.tidy(now)
        return sorted(self._by_code.values(), key=lambda entry: entry.asked_at)

    def find(self, name: str, code: str | None, now: float) -> Waiting:
        """The one that an operator means: by its id or its code, and ``code`` if given.

        Raises:
            HiveNotFound: none waits under this name, or not with this code.
            Conflict: several wait under this name, and no code was given.
        """
        wanted = None if code is None else _plain(code)
        found = [
            entry
            for entry in self.rows(now)
            if (entry.hive_id == name or _plain(entry.code) == _plain(name))
            and (wanted is None or _plain(entry.code) == wanted)
        ]
        if not found:
            with_code = "" if code is None else f" with the code {code[:64]}"
            raise HiveNotFound(
                f"No hive {name[:64]!r}{with_code} waits to be let in.",
                remedy="`rbee hive pending` shows who waits. A code that differs from the one "
                "that the hive shows means that somebody stands in between.",
            )
        if len(found) > 1:
            raise Conflict(
                f"{len(found)} hives wait under the name {name[:64]!r}.",
                remedy="Say which one by its code: `rbee hive approve CODE`.",
            )
        return found[0]

    def remove(self, entry: Waiting) -> None:
        """It waits no more."""
        self._by_code.pop(entry.code, None)

    def refuse(self, entry: Waiting, now: float) -> None:
        """Reject it: its key is not heard for an hour."""
        self.remove(entry)
        if len(self._refused_until) >= _REFUSED_MAX:
            del self._refused_until[next(iter(self._refused_until))]
        self._refused_until[entry.key] = now + REFUSED_FOR_S

    def tidy(self, now: float) -> None:
        """Forget those that stopped asking."""
        for code, entry in list(self._by_code.items()):
            if now - entry.seen_at > SILENT_S:
                del self._by_code[code]


def _plain(code: str) -> str:
    """A code whichever way a person typed it."""
    return code.replace("-", "").replace(" ", "").upper()
