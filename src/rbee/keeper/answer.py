"""One answer as it grows: its text, how fast it came, and who gave it."""

from typing import cast

import msgspec

from rbee.contracts.jobs import JobEvent
from rbee.contracts.status import InferComplete, InferSelected
from rbee.errors import RemoteError
from rbee.keeper.units import count_text


class Answer(msgspec.Struct, kw_only=True):
    """``rbee infer --json``. Lengths of time in seconds from the request to the queen.

    ``tokens`` is what the server counted, or the number of token events where it
    did not say.
    """

    model: str
    text: str = ""
    reasoning: str = ""
    tokens: int = 0
    tokens_per_s: float | None = None
    first_token_s: float | None = None
    total_s: float | None = None
    worker_id: str | None = None
    hive_id: str | None = None
    job_id: str | None = None
    finish_reason: str | None = None

    def take(self, event: JobEvent, after_s: float) -> None:
        """Take one event of the ``infer`` job, ``after_s`` after the request.

        Raises:
            RemoteError: the queen's data has another shape (another version).
        """
        self.job_id = event.job_id
        try:
            match event.action:
                case "token":
                    self._piece(event, after_s)
                case "infer_worker_sel":
                    self._chosen(msgspec.convert(event.data, InferSelected))
                case "infer_complete":
                    self._complete(msgspec.convert(event.data, InferComplete))
                case _:  # what happens before the answer is for the screen alone
                    pass
        except msgspec.ValidationError as error:
            raise RemoteError(
                f"The queen's `{event.action}` has an unexpected shape: {error}.",
                remedy="Are both of the same version? `rbee doctor` says.",
            ) from None

    def _piece(self, event: JobEvent, after_s: float) -> None:
        if is_reasoning(event):
            self.reasoning += event.message
        else:
            self.text += event.message
        self.tokens += 1
        self.total_s = round(after_s, 3)
        if self.first_token_s is None:
            self.first_token_s = self.total_s

    def _chosen(self, chosen: InferSelected) -> None:
        self.worker_id, self.hive_id, self.model = chosen.worker_id, chosen.hive_id, chosen.model

    def _complete(self, done: InferComplete) -> None:
        self.worker_id, self.hive_id, self.model = done.worker_id, done.hive_id, done.model
        self.tokens = self.tokens if done.tokens is None else done.tokens
        self.tokens_per_s = None if done.tokens_per_s is None else round(done.tokens_per_s, 1)
        self.finish_reason = done.finish_reason
        self.text = self.text or done.text or ""


def is_reasoning(event: JobEvent) -> bool:
    """Whether a token is the model's thinking rather than its answer."""
    data: object = event.data
    return isinstance(data, dict) and "reasoning" in cast("dict[str, object]", data)


def summary_text(answer: Answer) -> str:
    """``7 tokens, 61.5 tok/s, first token 0.4 s, worker w-1 on hive here``.

    An answer that reached its longest length is cut in mid-sentence: that is said.
    """
    parts = [count_text(answer.tokens, "token")]
    if answer.finish_reason == "length":
        parts[0] = f"cut after {parts[0]} (--max-tokens allows more)"
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
