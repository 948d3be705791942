"""An engine without a model, for tests, drills and faults.

It has the same HTTP face as llama.cpp's server, its text is a pure function of
the prompt (``scripted_text``), and a script (``script``) tells it how slow to be
and how to fail. Unlike llama.cpp it notices callers that do not stream and
leave. A user never gets it unless they ask for it by name. ``api.host`` serves it.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence

from rbee.contracts.exits import WorkerExit
from rbee.worker.engines.script import Script, Trouble, script_for
from rbee.worker.engines.scripted_text import (
    number_at_end,
    piece_id,
    pieces,
    render_chat,
    tokens_after,
    unit_vector,
)
from rbee.worker.leaving import leave
from rbee.worker.settings import WorkerSettings


class ScriptedEngine:
    """A ``TextEngine`` that plays a script."""

    def __init__(self, settings: WorkerSettings, script: Script) -> None:
        self.alias = settings.alias
        self.context_tokens = settings.context_tokens
        self.embeds = settings.task == "embeddings"
        self.ready = False
        self.slot_count = script.slots or settings.slots
        self._script = script
        self._eaten = bytearray()

    async def load(self) -> None:
        """Take the time that the script gives the load, and end as it says."""
        await asyncio.sleep(self._script.load_s)
        if self._script.exit_while_loading is not None:
            status = self._script.exit_while_loading
            sys.stderr.write(f"rbee worker: The script ends the load with {status.name}.\n")
            leave(status)
        self.ready = not self._script.never_ready

    def render(self, turns: Sequence[tuple[str, str]]) -> str:
        """Apply the chat template."""
        return render_chat(turns)

    def tokenize(self, text: str) -> list[tuple[int, str]]:
        """Split into (id, piece) pairs."""
        return [(piece_id(piece), piece) for piece in pieces(text)]

    def embed(self, text: str) -> list[float]:
        """A vector of length 1 that depends on nothing but the text."""
        return unit_vector(text, self._script.dimensions)

    def generate(self, prefix: str) -> AsyncIterator[str | Trouble]:
        """The script's tokens and faults after ``prefix``.

        Raises:
            InvalidRequest: the prompt's own script is wrong.
        """
        script = script_for(prefix, self._script)
        if script.crash_at_token == 0:
            leave(WorkerExit.CRASHED)
        self._eaten += b"\1" * (script.eat_mb << 20)
        return _play(prefix, script)


async def _play(prefix: str, script: Script) -> AsyncIterator[str | Trouble]:
    first = number_at_end(prefix) + 1
    tokens = tokens_after(prefix, total=script.tokens, seed=script.seed)
    for number, token in enumerate(tokens, start=first):
        await asyncio.sleep(script.delay_first_s if number == first else script.delay_token_s)
        fault = script.fault_at(number, first=first)
        if fault is not None:
            yield fault
        yield token
