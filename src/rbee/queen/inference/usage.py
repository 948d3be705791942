"""How many tokens an answer took, read from its last bytes without parsing them.

Four engines' ways of saying it: OpenAI's ``usage``, that of Responses and of
Anthropic's messages (``input_tokens``), and llama.cpp's ``timings``, which also end a
stream whose client did not ask for usage. The figures stand at the end of whatever an
engine sends, so a search in the last 2 KiB finds them; text that a model wrote
cannot be taken for them, since quotes inside a JSON string are escaped.
"""

import re
from typing import Final, NamedTuple

WITHIN_BYTES: Final = 2048  # the usage, and after it an engine's timings at most

_FIGURES = rb'"%s":\s*(\d{1,9})'


class Usage(NamedTuple):
    """Tokens of an answer, as the engine told them."""

    prompt: int
    completion: int


def _of(name: bytes) -> re.Pattern[bytes]:
    return re.compile(_FIGURES % name)


_PROMPT, _COMPLETION = _of(b"prompt_tokens"), _of(b"completion_tokens")
_INPUT, _OUTPUT, _CACHED = (
    _of(b"input_tokens"),
    _of(b"output_tokens"),
    _of(b"cache_read_input_tokens"),
)
_READ, _KEPT, _WRITTEN = _of(b"prompt_n"), _of(b"cache_n"), _of(b"predicted_n")


def usage_in(last: bytes, first: bytes = b"") -> Usage | None:
    """The usage that an answer's last bytes tell; None where they tell none.

    A stream of Anthropic's messages tells its prompt in its first event: ``first`` are the
    bytes that an answer began with, looked at only where ``last`` names no prompt.
    """
    found = _told_in(last)
    if found is None or found.prompt or not first:
        return found
    head = first[:WITHIN_BYTES]
    return Usage(_number(_INPUT, head) + _number(_CACHED, head), found.completion)


def _told_in(last: bytes) -> Usage | None:
    tail = last[-WITHIN_BYTES:]
    begin = tail.rfind(b'"usage"')
    if begin >= 0:
        told = tail[begin:]
        prompt = _PROMPT.search(told)
        if prompt is not None:
            return Usage(int(prompt[1]), _number(_COMPLETION, told))
        # What came from the cache was read all the same; Anthropic's words count it apart.
        read = _number(_INPUT, told) + _number(_CACHED, told)
        written = _number(_OUTPUT, told)
        if read or written:
            return Usage(read, written)
    begin = tail.rfind(b'"timings"')
    if begin >= 0:
        told = tail[begin:]
        return Usage(_number(_READ, told) + _number(_KEPT, told), _number(_WRITTEN, told))
    return None


def _number(pattern: re.Pattern[bytes], tail: bytes) -> int:
    found = pattern.search(tail)
    return int(found[1]) if found else 0
