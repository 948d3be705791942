"""Tokens of an answer's first legs, and the usage of the whole.

A dead worker took its counts with it. The text it sent is counted by the next
worker's tokenizer; the prompt's tokens are asked for too, or else follow from
the next leg's own usage (its prompt is prompt + text so far).
"""

from typing import Any, cast

import msgspec


class Counted(msgspec.Struct, frozen=True):
    """``used`` tokens were sent before this leg; ``prompt`` has the request's, None unknown."""

    used: int
    prompt: int | None = None


def summed_usage(usage: dict[str, Any], counted: Counted) -> dict[str, Any]:
    """The usage of all legs from the last one's.

    Details (cached tokens, reasoning tokens) are left out: of the first legs they
    are not known.
    """
    completion = int(usage.get("completion_tokens") or 0) + counted.used
    prompt = counted.prompt
    if prompt is None:
        prompt = max(0, int(usage.get("prompt_tokens") or 0) - counted.used)
    return usage_of(completion, prompt)


def usage_of(completion: int, prompt: int) -> dict[str, Any]:
    """OpenAI's usage object."""
    return {
        "completion_tokens": completion,
        "prompt_tokens": prompt,
        "total_tokens": completion + prompt,
    }


def tokens_in(reply: bytes | None) -> int | None:
    """The number of tokens in a ``/tokenize`` reply of llama.cpp or vLLM; None if unreadable."""
    try:
        said = msgspec.json.decode(reply or b"", type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    if isinstance(said.get("count"), int):
        return int(said["count"])
    tokens = said.get("tokens")
    return len(cast("list[object]", tokens)) if isinstance(tokens, list) else None
