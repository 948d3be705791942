"""A library engine's slots: what runs, what waits, what was counted.

One request holds one slot from its start to its end; the others wait in order.
The hive reads the same rows and counters that llama.cpp's server prints: a token
stands in its slot's row until the request ends, and in the counter after that.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import count

import msgspec


class Slot(msgspec.Struct, kw_only=True):
    """One row of ``GET /slots``. ``limit`` is the request's max_tokens."""

    id: int
    task: int = -1
    busy: bool = False
    prompt_tokens: int = 0
    limit: int = -1
    decoded: int = 0


class Counters(msgspec.Struct, kw_only=True):
    """What ``GET /metrics`` adds up since the start."""

    prompt_tokens: int = 0
    prompt_s: float = 0.0
    predicted_tokens: int = 0
    predicted_s: float = 0.0
    tokens_max: int = 0
    requests: int = 0


class Slots:
    """``total`` places for requests, given out in the order of asking."""

    def __init__(self, total: int) -> None:
        self.rows = [Slot(id=number) for number in range(total)]
        self.counters = Counters()
        self.waiting = 0
        self._places = asyncio.Semaphore(total)
        self._tasks = count()

    @property
    def busy(self) -> int:
        """How many requests run now."""
        return sum(row.busy for row in self.rows)

    @asynccontextmanager
    async def take(self, *, prompt_tokens: int, limit: int) -> AsyncGenerator[Slot]:
        """Wait for a free slot and hold it for the block. ``limit`` -1 is no limit."""
        self.waiting += 1
        try:
            await self._places.acquire()
        finally:
            self.waiting -= 1
        row = next(row for row in self.rows if not row.busy)
        row.task, row.busy, row.decoded = next(self._tasks), True, 0
        row.prompt_tokens, row.limit = prompt_tokens, limit
        self.counters.requests += 1
        self.counters.prompt_tokens += prompt_tokens
        try:
            yield row
        finally:
            row.busy = False
            self._places.release()

    def count_token(self, row: Slot) -> None:
        """Add one generated token to ``row`` and to the totals."""
        row.decoded += 1
        self.counters.predicted_tokens += 1
        length = row.prompt_tokens + row.decoded
        self.counters.tokens_max = max(self.counters.tokens_max, length)

    def listing(self, context_tokens: int) -> list[dict[str, object]]:
        """``GET /slots`` in llama.cpp's shape; a slot's details appear with its first task."""
        return [_row(row, context_tokens) for row in self.rows]

    def metrics(self) -> str:
        """``GET /metrics`` in llama.cpp's names, and the requests that it does not count."""
        seen = self.counters
        prompt_rate = seen.prompt_tokens / seen.prompt_s if seen.prompt_s else 0
        predicted_rate = seen.predicted_tokens / seen.predicted_s if seen.predicted_s else 0
        ended = seen.predicted_tokens - sum(row.decoded for row in self.rows if row.busy)
        lines = (
            ("prompt_tokens_total", "counter", "Prompt tokens processed", seen.prompt_tokens),
            ("prompt_seconds_total", "counter", "Time spent on prompts", seen.prompt_s),
            ("tokens_predicted_total", "counter", "Tokens generated", ended),
            ("tokens_predicted_seconds_total", "counter", "Time generating", seen.predicted_s),
            ("n_decode_total", "counter", "Steps of the engine", seen.predicted_tokens),
            ("n_tokens_max", "counter", "Longest sequence seen", seen.tokens_max),
            ("prompt_tokens_seconds", "gauge", "Prompt tokens per second", prompt_rate),
            ("predicted_tokens_seconds", "gauge", "Tokens per second", predicted_rate),
            ("requests_processing", "gauge", "Requests that run", self.busy),
            ("requests_deferred", "gauge", "Requests that wait", self.waiting),
        )
        requests = f"# TYPE rbee:requests_total counter\nrbee:requests_total {seen.requests}\n"
        return requests + "".join(
            f"# HELP llamacpp:{name} {meaning}\n# TYPE llamacpp:{name} {kind}\n"
            f"llamacpp:{name} {round(value, 6)}\n"
            for name, kind, meaning, value in lines
        )


def _row(row: Slot, context_tokens: int) -> dict[str, object]:
    shown: dict[str, object] = {
        "id": row.id,
        "n_ctx": context_tokens,
        "speculative": False,
        "is_processing": row.busy,
    }
    if row.task >= 0:
        remaining = max(0, row.limit - row.decoded) if row.limit >= 0 else -1
        shown |= {
            "id_task": row.task,
            "n_prompt_tokens": row.prompt_tokens + row.decoded,
            "n_prompt_tokens_processed": row.prompt_tokens,
            "n_prompt_tokens_cache": 0,
            "params": {"max_tokens": row.limit, "n_predict": row.limit},
            "next_token": [
                {
                    "has_next_token": row.busy,
                    "has_new_line": False,
                    "n_remain": remaining,
                    "n_decoded": row.decoded,
                }
            ],
        }
    return shown
