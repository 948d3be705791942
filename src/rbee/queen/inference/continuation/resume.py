"""How a broken answer goes on: which questions to ask, which leg to send, or how it ends.

Written without I/O: ``resume`` is a generator that yields ``Question``s (a POST to
the worker that takes over) and is sent the replies. So the same steps run on the
queen's sockets, in the simulator and in a test that plays both sides.
"""

from collections.abc import Generator
from typing import TypeAlias

import msgspec

from rbee.queen.inference.continuation.asked import CHAT_PATH, Asked
from rbee.queen.inference.continuation.body import continued_body
from rbee.queen.inference.continuation.counted import Counted, tokens_in
from rbee.queen.inference.continuation.stitcher import Stitcher, ending
from rbee.queen.inference.continuation.transcript import Transcript

TOKENIZE_PATH = "/tokenize"
TEMPLATE_PATH = "/apply-template"

_LENGTH = "length"
_STOP = "stop"


class Question(msgspec.Struct, frozen=True):
    """A small POST to the worker that takes over; its reply is milliseconds away."""

    path: str
    body: bytes


class Leg(msgspec.Struct, frozen=True):
    """POST ``body`` to the request's own path, and pipe the events through ``stitcher``."""

    body: bytes
    stitcher: Stitcher


class Ended(msgspec.Struct, frozen=True):
    """No leg is needed: these last events (perhaps none) end the answer."""

    events: bytes


Resume: TypeAlias = Generator[Question, bytes | None, Leg | Ended]


def resume(path: str, body: bytes, transcript: Transcript) -> Resume:
    """The steps of one continuation; ask ``unsafe`` first.

    Send each question's reply in, or None where the worker has no answer (an
    engine without a tokenizer route): then the text's events are counted instead.
    The first ``next`` already ends where everything was sent, and needs no worker.
    """
    asked = Asked.read(path, body)
    if transcript.done:
        return Ended(b"")
    if transcript.finished(asked.choices):
        return (yield from _finish(asked, body, transcript))
    if not transcript.text:
        # The role at most was sent: the request begins anew, nobody saw a word.
        return Leg(body, Stitcher(asked, transcript, Counted(0)))
    used = yield from _tokens_said(transcript)
    full = asked.tokens_max is not None and used >= asked.tokens_max
    prompt = (yield from _prompt_tokens(path, body)) if full or asked.include_usage else None
    counted = Counted(used, prompt)
    if full:
        # Its last token was its last word: the worker died before it said so.
        return Ended(ending(asked, transcript, _LENGTH, counted))
    return Leg(continued_body(path, body, transcript, used), Stitcher(asked, transcript, counted))


def _finish(asked: Asked, body: bytes, transcript: Transcript) -> Resume:
    """The finish reason is out already: what lacks is the usage, perhaps, and the end."""
    if not asked.include_usage or transcript.usage_sent:
        return Ended(ending(asked, transcript, None, None))
    used = yield from _tokens_said(transcript)
    if transcript.finish_reason == _STOP:
        used += 1  # the end-of-text token counts (measured) and has no text
    if asked.tokens_max is not None:
        used = min(used, asked.tokens_max)
    prompt = yield from _prompt_tokens(asked.path, body)
    return Ended(ending(asked, transcript, None, Counted(used, prompt)))


def _tokens_said(transcript: Transcript) -> Generator[Question, bytes | None, int]:
    text = transcript.text
    if not text:
        return 0
    tokens = tokens_in((yield _tokenize(text, opening=False)))
    return transcript.deltas if tokens is None else tokens


def _prompt_tokens(path: str, body: bytes) -> Generator[Question, bytes | None, int | None]:
    """How many tokens the client's prompt has, counted as the engine counts it; None unknown."""
    try:
        fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        if path != CHAT_PATH:
            prompt = msgspec.json.decode(fields["prompt"], type=str)
        else:
            if _has_media(fields["messages"]):
                return None  # an image is more tokens than its mark in the text
            reply = yield Question(TEMPLATE_PATH, body)
            prompt = msgspec.json.decode(reply or b"", type=_Applied).prompt
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError):
        return None
    return tokens_in((yield _tokenize(prompt, opening=True)))


def _tokenize(text: str, *, opening: bool) -> Question:
    """A question that llama.cpp (``content``) and vLLM (``prompt``) understand.

    ``opening`` asks for the special tokens that stand before a prompt.
    """
    fields = {
        "content": text,
        "prompt": text,
        "add_special": opening,
        "add_special_tokens": opening,
    }
    return Question(TOKENIZE_PATH, msgspec.json.encode(fields))


class _Applied(msgspec.Struct):
    prompt: str


class _Part(msgspec.Struct):
    type: str = "text"


class _Message(msgspec.Struct):
    content: str | list[_Part] | None = None


def _has_media(messages: msgspec.Raw) -> bool:
    rows = msgspec.json.decode(messages, type=list[_Message])
    return any(
        part.type != "text" for row in rows if isinstance(row.content, list) for part in row.content
    )
