"""What may follow the words that were typed. Pure.

The last word is the one that is being written, empty after a blank. Words before it
are taken as they are: commands lead down the tree, flags take their value with them.
"""

import msgspec

from rbee.keeper.completion.tree import Command, Flag, Kind, Place


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Words with what they mean, and the kind of names that fit as well.

    ``lead`` is what stands before the name in the same word (``--model=``).
    """

    begun: str
    words: dict[str, str]
    kind: Kind = ""
    lead: str = ""


def wanted(tree: Command, typed: list[str]) -> Wanted:
    """What may stand in the place of the last word of ``typed``."""
    *before, begun = typed or [""]
    command, awaiting, taken = _walked(tree, before)
    if awaiting is not None:
        return _of(awaiting, begun)
    name, equals, value = begun.partition("=")
    if equals and (flag := _flag(command, name)) is not None and flag.place is not None:
        return _of(flag.place, value, lead=f"{name}=")
    if begun.startswith("-"):
        return Wanted(begun=begun, words=_flags(command, before))
    if command.below:
        return Wanted(begun=begun, words={name: c.about for name, c in command.below.items()})
    place = _place(command, taken)
    if place is not None:
        return _of(place, begun)
    return Wanted(begun=begun, words=_flags(command, before))


def _place(command: Command, taken: int) -> Place | None:
    """What the next word is, after ``taken`` of them; None when no more are taken."""
    if taken < len(command.places):
        return command.places[taken]
    return next((place for place in command.places[-1:] if place.many), None)


def _walked(tree: Command, before: list[str]) -> tuple[Command, Place | None, int]:
    """The command that was typed, what its last flag waits for, and how many words it has."""
    command, awaiting, taken = tree, None, 0
    for word in before:
        if awaiting is not None:
            awaiting = None
        elif word.startswith("-") and (flag := _flag(command, word)) is not None:
            awaiting = flag.place
        elif word in command.below:
            command = command.below[word]
        elif not word.startswith("-"):
            taken += 1
    return command, awaiting, taken


def _flag(command: Command, name: str) -> Flag | None:
    return next((flag for flag in command.flags if name in flag.names), None)


def _flags(command: Command, before: list[str]) -> dict[str, str]:
    """Flags that were not given yet, by their long names."""
    fresh = [flag for flag in command.flags if not set(flag.names) & set(before)]
    return {flag.names[0]: flag.about for flag in fresh}


def _of(place: Place, begun: str, *, lead: str = "") -> Wanted:
    return Wanted(begun=begun, words=dict.fromkeys(place.words, ""), kind=place.kind, lead=lead)
