"""Whose turn it is to fetch a model from outside the colony: one hive at a time. Pure.

A claim lives as long as its hive renews it, and a little longer when the model has
arrived: until the hive's next beat shows it, the others would find nobody that has it.
Soft state: a queen that restarts has forgotten it, and hears it again with the next
renewal, seconds later.
"""

from typing import Final

import msgspec

CLAIM_S: Final = 10.0  # five renewals: a hive that says nothing for so long fetches nothing
ARRIVED_S: Final = 10.0  # the digest is computed and the beat comes in one or two
CLAIMS_MAX: Final = 10_000  # hives claim names: a faulty one must not fill the memory


class Claim(msgspec.Struct, kw_only=True):
    """A hive fetches a model: ``have_bytes`` of ``size_bytes`` so far."""

    hive_id: str
    ends_at: float
    have_bytes: int = 0
    size_bytes: int | None = None


class Claims:
    """All claims, by what tells one content from another: a digest, or a model's id."""

    def __init__(self) -> None:
        self._by_key: dict[str, Claim] = {}

    def of(self, key: str, now: float) -> Claim | None:
        """Who fetches it at ``now`` (seconds, monotonic); None when nobody does."""
        found = self._by_key.get(key)
        if found is not None and found.ends_at <= now:
            del self._by_key[key]
            return None
        return found

    def claim(self, key: str, mine: Claim, now: float) -> Claim | None:
        """Take the turn, or renew it. The claim of another hive, if that one has it."""
        found = self.of(key, now)
        if found is not None and found.hive_id != mine.hive_id:
            return found
        if found is None and len(self._by_key) >= CLAIMS_MAX:
            self._sweep(now)
        mine.ends_at = now + CLAIM_S
        self._by_key[key] = mine
        return None

    def end(self, key: str, hive_id: str, now: float, *, arrived: bool) -> None:
        """Give the turn back; with ``arrived`` nobody else needs it."""
        found = self.of(key, now)
        if found is None or found.hive_id != hive_id:
            return
        if arrived:
            found.ends_at = now + ARRIVED_S
        else:
            del self._by_key[key]

    def _sweep(self, now: float) -> None:
        live = [(key, claim) for key, claim in self._by_key.items() if claim.ends_at > now]
        self._by_key = dict(live[-CLAIMS_MAX // 2 :])
