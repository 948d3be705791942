"""The tree drawn in ``rbee.errors`` is the tree of its classes, and codes are unique."""

import inspect
import re
from collections.abc import Iterator

import rbee.errors
from rbee.errors import RbeeError

DRAWN = re.compile(r"^ {4}(?P<branches>[│├└─ ]*)(?P<name>[A-Z]\w+)(?:\s+(?P<status>\d{3})\b)?")
BRANCH_WIDTH = 3


def is_ours(cls: type[RbeeError]) -> bool:
    return cls.__module__.startswith(f"{rbee.errors.__name__}.")


def classes(parent: type[RbeeError] = RbeeError) -> Iterator[type[RbeeError]]:
    yield parent
    for child in parent.__subclasses__():
        if is_ours(child):
            yield from classes(child)


def drawn() -> dict[str, tuple[str | None, int]]:
    """Name → (parent, status) as the docstring shows them; a missing status is the parent's."""
    tree: dict[str, tuple[str | None, int]] = {}
    path: list[str] = []
    for line in (inspect.getdoc(rbee.errors) or "").splitlines():
        found = DRAWN.match(line)
        if found is None:
            continue
        depth = len(found["branches"]) // BRANCH_WIDTH
        path = path[:depth]
        parent = path[-1] if path else None
        inherited = tree[parent][1] if parent else RbeeError.status
        tree[found["name"]] = (parent, int(found["status"] or inherited))
        path.append(found["name"])
    return tree


def test_the_drawing_is_the_tree() -> None:
    real = {
        cls.__name__: (None if cls is RbeeError else cls.__bases__[0].__name__, cls.status)
        for cls in classes()
    }
    assert drawn() == real


def test_codes_are_stable_names_of_one_class_each() -> None:
    codes = [cls.__dict__["code"] for cls in classes() if "code" in cls.__dict__]
    assert len(codes) == len(set(codes))
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in codes)


def test_every_class_says_what_happened_and_what_to_do() -> None:
    for cls in classes():
        assert cls.__doc__, cls
        assert cls.remedy.endswith("."), cls


def test_what_a_client_sees_is_in_the_one_package() -> None:
    """A room may refine an error for itself, but not give it another code or status."""
    pending, outside = [RbeeError], list[type[RbeeError]]()
    while pending:
        children = pending.pop().__subclasses__()
        outside += [cls for cls in children if not is_ours(cls)]
        pending += children
    assert not [cls for cls in outside if {"code", "status"} & set(vars(cls))]
