"""The scripted engine's text: a pure function of what stands before it.

A token is a word and its number in the answer (`` amber1 kiln2 über3``). The word
is drawn from a hash of the whole prefix, the number is one more than the number
that the prefix ends with. Two things follow, and tests lean on both: an engine
that is given prompt + text so far goes on with exactly the rest, and a word that
was lost or doubled at a seam is seen at once by its number.
"""

import hashlib
import math
import re
import zlib
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

VOCABULARY: Final = (
    "amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron",
    "iris", "jade", "kiln", "lumen", "maple", "north", "otter", "pearl",
    "quartz", "river", "slate", "tidal", "umbra", "violet", "willow", "zephyr",
    "über", "café", "naïve", "東京", "λόγος", "ñandú", "żółw", "снег",
)  # fmt: skip
"""32 words, some of more than one byte a letter so that a cut inside one is noticed."""

ASSISTANT_MARK = "<|assistant|>\n"
END_MARK = "<|end|>\n"

_NUMBERED = re.compile(r"([^\W\d_]+)(\d{1,9})\Z")
_PIECE = re.compile(r"\s*\S+|\s+")
_TAIL_CHARACTERS = 64  # longer than any numbered word, so the whole prefix is not searched


def render_chat(messages: Sequence[tuple[str, str]]) -> str:
    """Lay (role, content) pairs out as one prompt.

    A last message of the assistant's is left open: its text is what the answer
    goes on from, as llama.cpp does it.
    """
    text = "".join(f"<|{role}|>\n{content}{END_MARK}" for role, content in messages)
    if messages and messages[-1][0] == "assistant":
        return text.removesuffix(END_MARK)
    return text + ASSISTANT_MARK


def tokens_after(prefix: str, *, total: int, seed: int = 0) -> Iterator[str]:
    """The tokens that follow ``prefix`` until the answer's token number ``total``."""
    digest = hashlib.blake2b(prefix.encode(), key=seed.to_bytes(8, "big", signed=True))
    tail = prefix[-_TAIL_CHARACTERS:]
    for number in range(number_at_end(prefix) + 1, total + 1):
        word = VOCABULARY[digest.digest()[0] % len(VOCABULARY)]
        space = "" if not tail or tail[-1].isspace() else " "
        token = f"{space}{word}{number}"
        yield token
        digest.update(token.encode())
        tail = token


def answer_after(prefix: str, *, total: int, limit: int | None = None, seed: int = 0) -> str:
    """The whole text that the engine gives for ``prefix``: what a test expects.

    ``limit`` is the request's max_tokens, counted from the end of ``prefix``.
    """
    return "".join(islice(tokens_after(prefix, total=total, seed=seed), limit))


def number_at_end(prefix: str) -> int:
    """The number of the answer's token that ``prefix`` ends with; 0 before the first."""
    found = _NUMBERED.search(prefix[-_TAIL_CHARACTERS:])
    return int(found[2]) if found and found[1] in VOCABULARY else 0


def pieces(text: str) -> list[str]:
    """Split any text into tokens; every generated token is exactly one piece."""
    return _PIECE.findall(text)


def piece_id(piece: str) -> int:
    """A stable number for a piece, within 31 bits as real token ids are."""
    return zlib.crc32(piece.encode()) & 0x7FFF_FFFF


def unit_vector(text: str, dimensions: int) -> list[float]:
    """A vector of length 1 that depends on nothing but ``text``."""
    raw = hashlib.shake_256(text.encode()).digest(2 * dimensions)
    values = [
        int.from_bytes(raw[2 * place : 2 * place + 2], "big") - 32_767.5
        for place in range(dimensions)
    ]
    length = math.sqrt(sum(value * value for value in values))
    return [value / length for value in values]
