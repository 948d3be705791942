"""The other side of a continuation, played in process: an engine, its tokenizer, its stops.

It answers a request's body as the scripted engine would, and drives ``resume``
as the data plane does, so that a test can cut an answer at any event and look at
what the client got.
"""

from itertools import islice
from typing import Any

import msgspec

from rbee.queen.inference.continuation import Ended, Leg, Question, Transcript, resume
from rbee.worker.api.answers import Route, Scribe, Tally
from rbee.worker.engines.scripted_text import pieces, render_chat, tokens_after

CHAT = "/v1/chat/completions"
COMPLETIONS = "/v1/completions"


def chat(prompt: str = "hello", **more: object) -> bytes:
    """A streaming chat's body."""
    messages = [{"role": "user", "content": prompt}]
    return msgspec.json.encode({"model": "m", "messages": messages, "stream": True, **more})


def completion(prompt: str = "hello", **more: object) -> bytes:
    """A streaming completion's body."""
    return msgspec.json.encode({"model": "m", "prompt": prompt, "stream": True, **more})


class Engine:
    """Answers bodies event by event; ``total`` is the whole answer's length in tokens."""

    def __init__(self, total: int = 9) -> None:
        self.total = total
        self.asked: list[Question] = []

    def events(self, path: str, body: bytes) -> list[bytes]:
        """The answer to a request, as a list of whole events."""
        asked: dict[str, Any] = msgspec.json.decode(body)
        prompt = self.prompt(path, asked)
        tally = Tally(prompt_tokens=len(pieces(prompt)))
        route: Route = "chat" if path == CHAT else "completions"
        scribe = Scribe(route, "m", tally)
        limit = asked.get("max_tokens")
        said = list(islice(tokens_after(prompt, total=self.total), limit))
        out = [scribe.opening()] if path == CHAT else []
        for number, token in enumerate(said, start=1):
            tally.predicted_tokens = number
            out.append(scribe.token(token))
        usage = asked.get("stream_options") == {"include_usage": True}
        finish = "length" if limit is not None and len(said) == limit else "stop"
        ending = scribe.ending(finish, prompt, usage=usage)
        return [*out, *(event + b"\n\n" for event in ending.split(b"\n\n") if event)]

    def prompt(self, path: str, asked: dict[str, Any]) -> str:
        """The text in front of the answer."""
        if path == CHAT:
            return render_chat([(row["role"], row["content"]) for row in asked["messages"]])
        return asked["prompt"]

    def reply(self, question: Question) -> bytes:
        """What the tokenizer and the template say."""
        self.asked.append(question)
        asked: dict[str, Any] = msgspec.json.decode(question.body)
        if question.path == "/tokenize":
            return msgspec.json.encode({"tokens": [1] * len(pieces(asked["content"]))})
        return msgspec.json.encode({"prompt": self.prompt(CHAT, asked)})


def go_on(
    engine: Engine, path: str, body: bytes, transcript: Transcript, *, mute: bool = False
) -> Leg | Ended:
    """Drive ``resume`` to its end; a ``mute`` engine has no routes for questions."""
    steps = resume(path, body, transcript)
    reply: bytes | None = None
    try:
        question = next(steps)
        while True:
            reply = None if mute else engine.reply(question)
            question = steps.send(reply)
    except StopIteration as end:
        return end.value


def cut_and_continued(
    engine: Engine, path: str, body: bytes, *cuts: int, mute: bool = False
) -> list[bytes]:
    """What the client sees when the workers die after so many events of their legs."""
    transcript = Transcript()
    seen: list[bytes] = []
    leg_body, stitcher = body, None
    for cut in (*cuts, None):
        for event in engine.events(path, leg_body)[:cut]:
            out = event if stitcher is None else stitcher.feed(event)
            seen.append(out)
            transcript.feed(out)
        if cut is None:
            break
        step = go_on(engine, path, body, transcript, mute=mute)
        if isinstance(step, Ended):
            seen.append(step.events)
            break
        leg_body, stitcher = step.body, step.stitcher
    return [event for event in seen if event]


def values(events: list[bytes]) -> list[dict[str, Any]]:
    """The JSON of every event but ``[DONE]``."""
    lines = b"".join(events).split(b"\n\n")
    return [
        msgspec.json.decode(line.removeprefix(b"data: "))
        for line in lines
        if line and line != b"data: [DONE]"
    ]


def text_of(events: list[bytes]) -> str:
    """The text of the first choice."""
    parts: list[str] = []
    for value in values(events):
        for choice in value["choices"]:
            delta: dict[str, Any] = choice.get("delta", {})
            parts.append(choice.get("text") or delta.get("content") or "")
    return "".join(parts)
