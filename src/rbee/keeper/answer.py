"""One answer as it grows: its text, how fast it came, and who gave it."""

from typing import Any, cast

import msgspec

from rbee.contracts.jobs import JobEvent
from rbee.keeper.units import count_text


class Answer(msgspec.Struct, kw_only=True):
    """``rbee infer --json``. Lengths of time in seconds from the request to the queen.

    ``tokens`` is what the server counted, or the number of token events where it
    did not say. ``asked_at`` is on the monotonic clock and means nothing outside.
    """

    model: str
    asked_at: float
    text: str = ""
    tokens: int = 0
    tokens_per_s: float | None = None
    first_token_s: float | None = None
    total_s: float | None = None
    worker_id: str | None = None
    hive_id: str | None = None
    job_id: str | None = None
    finish_reason: str | None = None

    def token(self, text: str, now: float) -> None:
        """Add a piece of text."""
        self.text += text
        self.tokens += 1
        if self.first_token_s is None:
            self.first_token_s = round(now - self.asked_at, 3)
        self.total_s = round(now - self.asked_at, 3)

    def note_worker(self, event: JobEvent) -> None:
        """Remember which worker was chosen; the last one is the one that answered."""
        self.job_id = event.job_id
        data = _fields(event)
        self.worker_id = _text(data.get("worker_id")) or self.worker_id
        self.hive_id = _text(data.get("hive_id")) or self.hive_id
        self.model = _text(data.get("model")) or self.model

    def complete(self, event: JobEvent) -> None:
        """Take the server's own count and times where it gives them."""
        self.note_worker(event)
        data = _fields(event)
        for name in ("tokens", "completion_tokens"):
            if isinstance(data.get(name), int):
                self.tokens = data[name]
        speed = data.get("tokens_per_s")
        if isinstance(speed, int | float):
            self.tokens_per_s = round(float(speed), 1)
        self.finish_reason = _text(data.get("finish_reason"))
        if not self.text:
            self.text = _text(data.get("text")) or ""


def summary_text(answer: Answer) -> str:
    """``7 tokens, 61.5 tok/s, first token 0.4 s, worker w-1 on hive here``."""
    parts = [count_text(answer.tokens, "token")]
    speed = answer.tokens_per_s or measured_speed(answer)
    if speed is not None:
        parts.append(f"{speed:.1f} tok/s")
    if answer.first_token_s is not None:
        parts.append(f"first token {answer.first_token_s:.2f} s")
    if answer.worker_id:
        parts.append(
            f"worker {answer.worker_id}" + (f" on hive {answer.hive_id}" if answer.hive_id else "")
        )
    return ", ".join(parts)


def measured_speed(answer: Answer) -> float | None:
    """Tokens per second after the first one, as this client saw it."""
    if answer.first_token_s is None or answer.total_s is None or answer.tokens <= 1:
        return None
    span_s = answer.total_s - answer.first_token_s
    return (answer.tokens - 1) / span_s if span_s > 0 else None


def _fields(event: JobEvent) -> dict[str, Any]:
    return cast("dict[str, Any]", event.data) if isinstance(event.data, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
