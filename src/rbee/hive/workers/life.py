"""The tasks that belong to one generation of a worker, ended together.

An anyio cancel scope holds one task; a generation has several (probe, looks,
drain). Each enters a scope of its own here.
"""

from collections.abc import Generator
from contextlib import contextmanager

import anyio


class Life:
    """One generation's scopes."""

    def __init__(self) -> None:
        self._scopes: set[anyio.CancelScope] = set()
        self._over = False

    def end(self) -> None:
        """Cancel what runs in it; what would enter later is cancelled at its entry."""
        self._over = True
        for scope in self._scopes:
            scope.cancel()

    @contextmanager
    def scope(self) -> Generator[anyio.CancelScope]:
        """Run a block until the generation ends; its cancellation stays inside."""
        with anyio.CancelScope() as scope:
            self._scopes.add(scope)
            if self._over:
                scope.cancel()
            try:
                yield scope
            finally:
                self._scopes.discard(scope)
