"""Which quality of a repository this hive has room for, and why it is taken: pure.

One header is read (the preferred file's): the files of a repository are one model
in several qualities, so their caches are alike and only the weights differ, by as
many bytes as the files do. ``judge`` says for each whether it fits.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec

from rbee.contracts.models import ModelFacts
from rbee.fit import Verdict
from rbee.hive.models.choose import RepositoryFile, quality_of

Judge: TypeAlias = Callable[[ModelFacts], Verdict]
"""Whether a model with these facts has room on this hive now."""


class Offer(msgspec.Struct, frozen=True):
    """A file and the verdict on it; null when its size is not known."""

    file: RepositoryFile
    verdict: Verdict | None

    @property
    def fits(self) -> str:
        """``yes``, ``no`` or ``unknown``."""
        return "unknown" if self.verdict is None else self.verdict.fits

    @property
    def lacking_bytes(self) -> int | None:
        """How much more than there is it needs; null when that is not known."""
        verdict = self.verdict
        if verdict is None or verdict.needed_bytes is None or verdict.available_bytes is None:
            return None
        return max(0, verdict.needed_bytes - verdict.available_bytes)


def judge_files(
    files: Sequence[RepositoryFile], inspected: RepositoryFile, facts: ModelFacts, judge: Judge
) -> list[Offer]:
    """The verdict on each of ``files``, from the ``facts`` of the one that was inspected."""
    return [Offer(file, _verdict(file, inspected, facts, judge)) for file in files]


def pick_offer(offers: Sequence[Offer]) -> tuple[RepositoryFile, str]:
    """The file to take of ``offers`` (the preferred first, at least one), and the reason.

    The first that fits; else the first that may; else the smallest, for a day with
    more memory.
    """
    for fits in ("yes", "unknown"):
        for offer in offers:
            if offer.fits == fits:
                return offer.file, _reason(offer, offers)
    smallest = min(offers, key=lambda offer: offer.file.size_bytes or 0)
    return smallest.file, (
        f"{_named(smallest)} of {len(offers)}: none fits {_room(smallest)}; it is the smallest"
        f"{_lacks(smallest, 'and lacks')}"
    )


def _reason(taken: Offer, offers: Sequence[Offer]) -> str:
    first = offers[0]
    if taken.fits != "yes":
        return f"{_named(taken)} of {len(offers)}: whether it fits {_room(taken)} is not sure"
    if taken is first:
        return f"{_named(taken)} of {len(offers)}: the usual choice, and it fits {_room(taken)}"
    return (
        f"{_named(taken)} of {len(offers)}: the best that fits {_room(taken)};"
        f" {_named(first)}{_lacks(first, 'would need') or ' may not fit'}"
    )


def _verdict(
    file: RepositoryFile, inspected: RepositoryFile, facts: ModelFacts, judge: Judge
) -> Verdict | None:
    if file == inspected:
        return judge(facts)
    if file.size_bytes is None or inspected.size_bytes is None or facts.weights_bytes is None:
        return None
    weights = max(0, facts.weights_bytes + file.size_bytes - inspected.size_bytes)
    return judge(msgspec.structs.replace(facts, weights_bytes=weights, layer_bytes=()))


def _named(offer: Offer) -> str:
    return quality_of(offer.file.path) or offer.file.path


def _room(offer: Offer) -> str:
    verdict = offer.verdict
    if verdict is None or verdict.available_bytes is None:
        return "here"
    return f"in {verdict.available_bytes / 1e9:,.1f} GB free on {verdict.device}"


def _lacks(offer: Offer, word: str) -> str:
    lacking = offer.lacking_bytes
    return f" {word} {lacking / 1e9:,.1f} GB more" if lacking else ""
