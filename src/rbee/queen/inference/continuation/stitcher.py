"""The next leg's events, made to belong to the answer that was begun.

From here on a stream is parsed: it is a broken one, and whole. Every event gets
the first leg's id, time and model; a second role is dropped; a stop string that
straddles the seam ends the answer; usage counts all legs; what the engine
measured of its own leg (``timings``) would be read as the whole answer's and is
left out.
"""

from typing import Any, cast

import msgspec

from rbee.queen.inference.continuation.asked import CHAT_PATH, Asked
from rbee.queen.inference.continuation.counted import Counted, summed_usage, usage_of
from rbee.queen.inference.continuation.seam import SeamStops
from rbee.queen.inference.continuation.transcript import Envelope, Transcript

DONE_EVENT = b"data: [DONE]\n\n"
_DONE = b"[DONE]"


def frame(value: object) -> bytes:
    """One SSE event with a JSON value."""
    return b"data: " + msgspec.json.encode(value) + b"\n\n"


class Stitcher:
    """One leg's stitches. ``feed`` takes whole events and gives those for the client.

    ``done`` turns true with the ``[DONE]``: the leg's worker may be let go then,
    also where it would go on (a stop string at the seam).
    """

    def __init__(self, asked: Asked, transcript: Transcript, counted: Counted) -> None:
        self._asked = asked
        self._transcript = transcript
        self._counted = counted
        self._goes_on = bool(transcript.text or transcript.reasoning)
        self._seam = SeamStops(asked.stops, transcript.text)
        self._envelope = _known(transcript.envelope)
        self._deltas = 0
        self._usage_sent = False
        self.done = False

    def feed(self, events: bytes) -> bytes:
        """The client's part of whole ``events``; an error event passes as it is."""
        parts: list[bytes] = []
        for line in events.splitlines():
            if self.done:
                break
            if line.startswith(b"data:"):
                parts.append(self._data(line[5:].strip()))
            elif line.startswith(b":"):
                parts.append(line + b"\n\n")  # a ping: the client's proxies want to see life
        return b"".join(parts)

    def end(self, finish_reason: str) -> bytes:
        """End the answer here: for a leg that the engine refused because nothing fits any more."""
        if self.done:
            return b""
        self.done = True
        return ending(
            self._asked,
            self._transcript,
            finish_reason,
            Counted(self._counted.used + self._deltas, self._counted.prompt),
        )

    def _data(self, data: bytes) -> bytes:
        if data == _DONE:
            self.done = True
            return DONE_EVENT
        try:
            event = msgspec.json.decode(data, type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return b"data: " + data + b"\n\n"  # whoever reads it reports it
        if "error" in event:
            return b"data: " + data + b"\n\n"
        choices = cast("list[dict[str, Any]]", event.get("choices") or [])
        event["choices"] = [choice for choice in choices if self._kept(choice)]
        if self._seam.stopped:
            return self.end("stop")
        self._sum_up(event)
        if choices and not event["choices"] and not event.get("usage"):
            return b""
        return frame({**event, **self._envelope})

    def _sum_up(self, event: dict[str, Any]) -> None:
        if not self._goes_on:
            return
        event.pop("timings", None)
        if usage := event.get("usage"):
            event["usage"] = summed_usage(usage, self._counted)

    def _kept(self, choice: dict[str, Any]) -> bool:
        """Whether anything of a choice is left after taking out what the client has."""
        index = int(choice.get("index") or 0)
        ends = choice.get("finish_reason") is not None
        if "delta" not in choice:
            choice["text"] = self._through_seam(choice.get("text") or "", ends=ends)
            return bool(choice["text"]) or ends
        delta = cast("dict[str, Any]", choice["delta"] or {})
        opening = "role" in delta
        if opening and self._transcript.role_sent(index):
            del delta["role"]
        said = delta.get("content")
        if (out := self._through_seam(said or "", ends=ends)) or said is not None:
            delta["content"] = out
        choice["delta"] = delta
        left = any(value not in (None, "", []) for value in delta.values())
        return left or ends or (opening and "role" in delta)

    def _through_seam(self, text: str, *, ends: bool) -> str:
        if text:
            self._deltas += 1
        out = self._seam.feed(text)
        return out + self._seam.rest() if ends and not self._seam.stopped else out


def ending(
    asked: Asked, transcript: Transcript, finish_reason: str | None, counted: Counted | None
) -> bytes:
    """The last events of an answer, made by us: finish (if given), usage (if asked), ``[DONE]``.

    Unknown counts are not made up: without ``counted.prompt`` there is no usage.
    """
    chat = asked.path == CHAT_PATH
    kind = "chat.completion.chunk" if chat else "text_completion"
    head = {"object": kind, **_known(transcript.envelope)}
    usage = None
    if asked.include_usage and not transcript.usage_sent and counted and counted.prompt is not None:
        usage = usage_of(counted.used, counted.prompt)
    parts: list[bytes] = []
    if finish_reason is not None:
        choice: dict[str, Any] = {"index": 0, "finish_reason": finish_reason}
        choice |= {"delta": {}} if chat else {"text": "", "logprobs": None}
        parts.append(frame({"choices": [choice], **head}))
    if usage is not None:
        parts.append(frame({"choices": [], **head, "usage": usage}))
    return b"".join([*parts, DONE_EVENT])


def _known(envelope: Envelope | None) -> dict[str, Any]:
    """The fields of an envelope that were seen."""
    if envelope is None:
        return {}
    seen = {name: getattr(envelope, name) for name in Envelope.__struct_fields__}
    return {name: value for name, value in seen.items() if value is not None}
