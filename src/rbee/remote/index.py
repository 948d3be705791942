"""Find a wheel for another machine on the package index that this machine uses. Blocking."""

from pathlib import Path

from packaging.requirements import Requirement
from packaging.tags import Tag


def fetch(_requirement: Requirement, _tags: frozenset[Tag], _folder: Path) -> Path | None:
    """Not looked for yet: left to the machine's own index."""
    return None
