"""The seam between the HTTP face and a library engine that makes text."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from rbee.worker.engines.script import Trouble


class TextEngine(Protocol):
    """What ``worker.api`` needs of an engine. All counts are in tokens."""

    @property
    def alias(self) -> str:
        """The model's id."""
        ...

    @property
    def context_tokens(self) -> int:
        """The most that prompt and answer may have together."""
        ...

    @property
    def embeds(self) -> bool:
        """Whether it answers ``/v1/embeddings``."""
        ...

    @property
    def ready(self) -> bool:
        """False while it loads."""
        ...

    @property
    def slot_count(self) -> int:
        """How many requests may run at once."""
        ...

    def render(self, turns: Sequence[tuple[str, str]]) -> str:
        """Apply the chat template to (role, text) pairs."""
        ...

    def tokenize(self, text: str) -> list[tuple[int, str]]:
        """Split a text into (id, piece) pairs."""
        ...

    def generate(self, prefix: str) -> AsyncIterator[str | Trouble]:
        """The tokens that follow ``prefix``, and what is to go wrong between them.

        Raises:
            InvalidRequest: from the first step, when the prompt asks for nonsense.
        """
        ...

    def embed(self, text: str) -> list[float]:
        """A vector of length 1."""
        ...
