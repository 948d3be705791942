"""How a broken answer goes on: which questions to ask, which leg to send, or how it ends.

Written without I/O: ``resume`` is a generator that yields ``Question``s (a POST to
the worker that takes over) and is sent the replies. So the same steps run on the
queen's sockets, in the simulator and in a test that plays both sides.
"""

from collections.abc import Generator
from typing import TypeAlias

import msgspec

from rbee.errors import WorkerFailed
from rbee.queen.inference.continuation.asked import CHAT_PATH, Asked
from rbee.queen.inference.continuation.body import continued_body
from rbee.queen.inference.continuation.counted import Counted, tokens_in
from rbee.queen.inference.continuation.stitcher import Stitcher, ending
from rbee.queen.inference.continuation.transcript import Transcript

TOKENIZE_PATH = "/tokenize"
TEMPLATE_PATH = "/apply-template"

_LENGTH = "length"
_STOP = "stop"


class CannotGoOn(WorkerFailed):
    """The engine that takes over would not go on with the answer, but begin another one."""


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
Counting: TypeAlias = Generator[Question, bytes | None, Counted]


def resume(path: str, body: bytes, transcript: Transcript) -> Resume:
    """The steps of one continuation; ask ``unsafe`` first.

    Send each question's reply in, or None where the worker has no answer (an
    engine without a tokenizer route): then a completion's events are counted instead.
    The first ``next`` already ends where everything was sent, and needs no worker.

    Raises:
        CannotGoOn: the next engine is none of those that are known to go on with a chat,
            or its template cannot restate a thought.
    """
    asked = Asked.read(path, body)
    if transcript.done:
        return Ended(b"")
    if transcript.finished(asked.choices):
        return (yield from _finish(asked, body, transcript))
    if transcript.blank:
        # The role at most was sent: the request begins anew, nobody saw a word.
        return Leg(body, Stitcher(asked, transcript, Counted(0)))
    counted = yield from _counted(asked, body, transcript)
    if asked.tokens_max is not None and counted.used >= asked.tokens_max:
        # Its last token was its last word: the worker died before it said so.
        counted = yield from _with_prompt(asked, body, counted)
        return Ended(ending(asked, transcript, _LENGTH, counted))
    if asked.include_usage:
        counted = yield from _with_prompt(asked, body, counted)
    next_body = continued_body(path, body, transcript, counted.used)
    return Leg(next_body, Stitcher(asked, transcript, counted))


def _finish(asked: Asked, body: bytes, transcript: Transcript) -> Resume:
    """The finish reason is out already: what lacks is the usage, perhaps, and the end."""
    if not asked.include_usage or transcript.usage_sent:
        return Ended(ending(asked, transcript, None, None))
    counted = yield from _counted(asked, body, transcript)
    used = counted.used
    if transcript.finish_reason == _STOP:
        used += 1  # the end-of-text token counts (measured) and has no text
    if asked.tokens_max is not None:
        used = min(used, asked.tokens_max)
    counted = yield from _with_prompt(asked, body, Counted(used, counted.prompt))
    return Ended(ending(asked, transcript, None, counted))


def _counted(asked: Asked, body: bytes, transcript: Transcript) -> Counting:
    """The tokens that were sent; with reasoning in them also the prompt's.

    Raises:
        CannotGoOn: as ``resume``.
    """
    if transcript.reasoning:
        return (yield from _counted_thoughts(asked, body, transcript))
    tokens = tokens_in((yield _tokenize(transcript.text, opening=False)))
    if tokens is None and asked.path == CHAT_PATH and not transcript.finished(asked.choices):
        # llama.cpp and vLLM have the route and go on with a last message of the
        # assistant's; a server that has not may take it for a turn that is over.
        raise CannotGoOn("The worker died, and the next one's engine may not go on with a chat.")
    return Counted(transcript.deltas if tokens is None else tokens)


def _counted_thoughts(asked: Asked, body: bytes, transcript: Transcript) -> Counting:
    """The marks around a thought are tokens too, and only the template knows them.

    Raises:
        CannotGoOn: the engine cannot be asked for it, or its template leaves thoughts
            out: it would begin to think anew in the middle of the answer.
    """
    text, thought = transcript.text, transcript.reasoning.strip()
    reply = yield Question(TEMPLATE_PATH, continued_body(asked.path, body, transcript, 0))
    restated = _applied(reply)
    if restated is None or thought not in restated or not restated.endswith(text):
        raise CannotGoOn(
            "The worker died while it thought, and the next one cannot go on with a thought."
        )
    prompt = yield from _prompt_tokens(asked.path, body)
    both = tokens_in((yield _tokenize(restated, opening=True)))
    if both is None or prompt is None:
        return Counted(transcript.deltas)
    return Counted(max(0, both - prompt), prompt)


def _with_prompt(asked: Asked, body: bytes, counted: Counted) -> Counting:
    """The same with the prompt's tokens, where they are not known yet."""
    if counted.prompt is not None:
        return counted
    return Counted(counted.used, (yield from _prompt_tokens(asked.path, body)))


def _prompt_tokens(path: str, body: bytes) -> Generator[Question, bytes | None, int | None]:
    """How many tokens the client's prompt has, counted as the engine counts it; None unknown."""
    try:
        fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        if path != CHAT_PATH:
            prompt = msgspec.json.decode(fields["prompt"], type=str)
        else:
            if _has_media(fields["messages"]):
                return None  # an image is more tokens than its mark in the text
            prompt = _applied((yield Question(TEMPLATE_PATH, body)))
            if prompt is None:
                return None
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


def _applied(reply: bytes | None) -> str | None:
    """The prompt in an ``/apply-template`` reply."""
    try:
        return msgspec.json.decode(reply or b"", type=_Applied).prompt
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


class _Part(msgspec.Struct):
    type: str = "text"


class _Message(msgspec.Struct):
    content: str | list[_Part] | None = None


def _has_media(messages: msgspec.Raw) -> bool:
    rows = msgspec.json.decode(messages, type=list[_Message])
    return any(
        part.type != "text" for row in rows if isinstance(row.content, list) for part in row.content
    )
