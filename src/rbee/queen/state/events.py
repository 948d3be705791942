"""The ring of what happened: the newest thousand, numbered, as rows of the table ``events``.

Whoever knows of something says it here (``note``): the watcher of the registry, the key book,
the office, the reconciler. A burst is cut to what a person can read: what a single look finds
beyond ``BURST_MAX`` is one line that counts the rest.
"""

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from rbee.contracts.state import EventLevel, EventRow
from rbee.queen.state.happenings import Happening

EVENTS_MAX: Final = 1000  # a day of a quiet colony, and 200 KB in every snapshot
BURST_MAX: Final = 50  # of one look: a queen who restarts sees all her hives join at once

_SECRET_KINDS: Final = ("key_", "join_")
_MESSAGE_CHARS_MAX: Final = 500  # an engine's last words may be a page

_encode = msgspec.json.Encoder().encode


class Events:
    """The newest events. ``clock`` gives Unix seconds."""

    def __init__(self, *, clock: Callable[[], float], events_max: int = EVENTS_MAX) -> None:
        self._clock = clock
        self._max = events_max
        self._seq = 0
        self._rows: dict[str, bytes] = {}
        self._public: dict[str, bytes] = {}
        self.changed: Callable[[], None] = lambda: None

    @property
    def rows(self) -> dict[str, bytes]:
        """All, oldest first, by number; a new mapping after each change."""
        return self._rows

    @property
    def public(self) -> dict[str, bytes]:
        """Those that every key with the scope ``read`` may see: not of keys and joiners."""
        return self._public

    def note(
        self,
        level: EventLevel,
        kind: str,
        subject: str,
        message: str,
        hive_id: str | None = None,
    ) -> None:
        """Something happened now."""
        self.take([Happening(level, kind, subject, message, hive_id)])

    def take(self, happenings: Iterable[Happening]) -> None:
        """Some things happened now."""
        all_of_them = list(happenings)
        if not all_of_them:
            return
        told, rest = all_of_them[:BURST_MAX], len(all_of_them) - BURST_MAX
        if rest > 0:
            text = f"{rest} more things happened at the same moment."
            told.append(Happening("info", "colony_busy", "colony", text))
        rows, public = dict(self._rows), dict(self._public)
        at = round(self._clock(), 3)
        for one in told:
            self._seq += 1
            row = EventRow(
                seq=self._seq,
                at=at,
                level=one.level,
                kind=one.kind,
                subject=one.subject,
                message=one.message[:_MESSAGE_CHARS_MAX],
                hive_id=one.hive_id,
            )
            rows[str(self._seq)] = encoded = _encode(row)
            if not one.kind.startswith(_SECRET_KINDS):
                public[str(self._seq)] = encoded
        self._rows, self._public = self._newest(rows), self._newest(public)
        self.changed()

    def _newest(self, rows: dict[str, bytes]) -> dict[str, bytes]:
        surplus = len(rows) - self._max
        return rows if surplus <= 0 else dict(list(rows.items())[surplus:])
