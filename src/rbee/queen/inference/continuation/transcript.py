"""What the client of one stream has been sent so far.

``feed`` is on the hot path of every stream, and nearly every stream ends without
needing it: so it only keeps the events' bytes. Every 32 KiB are packed (0.6 µs an
event, a thirtieth of the size, where decoding would cost 3 µs), and nothing is
read until somebody asks. Memory is bounded: a stream too long to keep is said to
be one.
"""

import zlib
from collections.abc import Iterable
from typing import Self

import msgspec

BLOCK_BYTES = 32 * 1024  # about 130 events of llama.cpp: packed in a tenth of a millisecond

PACKED_BYTES_MAX = 4 * 1024 * 1024
"""Some 500,000 events of llama.cpp. A stream beyond it is not kept for continuing."""

_PACKING = 1  # zlib's fastest level: events repeat nearly all of their bytes
_DONE = b"[DONE]"
_NOTHING = msgspec.Raw(b"null")  # where a raw field is missing; a union with None is refused
_EMPTY = frozenset({b"null", b"[]", b"{}", b'""'})


class Envelope(msgspec.Struct, kw_only=True):
    """The fields that every event of one answer repeats; None where none was seen."""

    id: str | None = None
    created: int | float | None = None
    model: str | None = None
    object: str | None = None
    system_fingerprint: str | None = None


class _Delta(msgspec.Struct):
    """One chat delta. What is not text stays raw: only that it is there matters."""

    role: str | None = None
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: msgspec.Raw = _NOTHING
    function_call: msgspec.Raw = _NOTHING
    refusal: str | None = None
    audio: msgspec.Raw = _NOTHING


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Delta | None = None
    text: str | None = None
    finish_reason: str | None = None


class _Event(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: msgspec.Raw = _NOTHING
    error: msgspec.Raw = _NOTHING


_EVENTS = msgspec.json.Decoder(list[_Event])


class Transcript:
    """The sum of the whole events that were sent; ``feed`` takes them in any portions."""

    __slots__ = (
        "_beyond_text",
        "_blocks",
        "_blocks_bytes",
        "_deltas",
        "_done",
        "_envelope",
        "_finish",
        "_parts",
        "_raw",
        "_raw_bytes",
        "_reasoning",
        "_roles",
        "_usage_sent",
    )

    def __init__(self) -> None:
        self._raw: list[bytes] = []
        self._raw_bytes = 0
        self._blocks: list[bytes] = []
        self._blocks_bytes = 0
        self._parts: list[str] = []
        self._reasoning: list[str] = []
        self._deltas = 0
        self._envelope: Envelope | None = None
        self._roles: set[int] = set()
        self._finish: dict[int, str] = {}
        self._usage_sent = False
        self._done = False
        self._beyond_text: str | None = None

    @classmethod
    def said(
        cls,
        text: str,
        *,
        deltas: int | None = None,
        envelope: Envelope | None = None,
        role_sent: bool = True,
    ) -> Self:
        """The transcript of a stored answer: ``text`` in ``deltas`` pieces (unknown: 1)."""
        made = cls()
        if text:
            made._parts.append(text)
            made._deltas = 1 if deltas is None else deltas
        made._envelope = envelope
        if role_sent:
            made._roles.add(0)
        return made

    def feed(self, events: bytes) -> None:
        """Keep whole events that the client was sent."""
        self._raw.append(events)
        self._raw_bytes += len(events)
        if self._raw_bytes > BLOCK_BYTES:
            self._pack()

    # ── what was sent ─────────────────────────────────────────────────────────

    @property
    def text(self) -> str:
        """The text of the first choice."""
        self._read()
        if len(self._parts) > 1:
            self._parts = ["".join(self._parts)]
        return self._parts[0] if self._parts else ""

    @property
    def reasoning(self) -> str:
        """What the model thought aloud before its text (``reasoning_content``)."""
        self._read()
        if len(self._reasoning) > 1:
            self._reasoning = ["".join(self._reasoning)]
        return self._reasoning[0] if self._reasoning else ""

    @property
    def deltas(self) -> int:
        """How many events carried text or reasoning: about the number of tokens."""
        self._read()
        return self._deltas

    @property
    def envelope(self) -> Envelope | None:
        """The answer's id, time and model; None before the first event."""
        self._read()
        return self._envelope

    @property
    def beyond_text(self) -> str | None:
        """What was sent that no prompt can restate (a tool call), in words."""
        self._read()
        return self._beyond_text

    @property
    def blank(self) -> bool:
        """Whether nothing of the answer itself was sent: it may begin anew."""
        self._read()
        said = self._parts or self._reasoning
        return not (said or self._beyond_text or self._finish or self._done)

    @property
    def finish_reason(self) -> str | None:
        """The finish reason of the first choice, once it was sent."""
        self._read()
        return self._finish.get(0)

    @property
    def usage_sent(self) -> bool:
        """Whether the token counts were sent."""
        self._read()
        return self._usage_sent

    @property
    def done(self) -> bool:
        """Whether ``[DONE]`` was sent."""
        self._read()
        return self._done

    def role_sent(self, index: int) -> bool:
        """Whether a choice's role was sent."""
        self._read()
        return index in self._roles

    def finished(self, choices: int) -> bool:
        """Whether all ``choices`` have their finish reason."""
        self._read()
        return all(index in self._finish for index in range(choices))

    # ── reading what was kept ─────────────────────────────────────────────────

    def _pack(self) -> None:
        raw, self._raw_bytes = b"".join(self._raw), 0
        self._raw.clear()
        if self._blocks_bytes > PACKED_BYTES_MAX:
            self._beyond_text = "more was sent than is kept"
            return
        block = zlib.compress(raw, _PACKING)
        self._blocks.append(block)
        self._blocks_bytes += len(block)

    def _read(self) -> None:
        if not (self._raw or self._blocks):
            return
        blocks, self._blocks, self._blocks_bytes = self._blocks, [], 0
        raw = b"".join([*map(zlib.decompress, blocks), *self._raw])
        self._raw.clear()
        self._raw_bytes = 0
        values = [line[5:].strip() for line in raw.splitlines() if line.startswith(b"data:")]
        if _DONE in values:
            self._done = True
            values = [value for value in values if value != _DONE]
        try:
            if self._envelope is None:
                self._envelope = _first_envelope(values)
            events = _EVENTS.decode(b"[" + b",".join(values) + b"]")
        except (msgspec.MsgspecError, UnicodeDecodeError):
            self._beyond_text = "an event was sent that is no answer's"
            return
        for event in events:
            self._take(event)

    def _take(self, event: _Event) -> None:
        if bytes(event.error) not in _EMPTY:
            self._beyond_text = "an error was sent"
        if bytes(event.usage) not in _EMPTY:
            self._usage_sent = True
        for choice in event.choices or ():
            self._take_choice(choice)

    def _take_choice(self, choice: _Choice) -> None:
        text = choice.text
        if choice.delta is not None:
            text = choice.delta.content
            if choice.delta.role is not None:
                self._roles.add(choice.index)
            self._beyond_text = self._beyond_text or _beyond_text(choice.delta)
            if choice.delta.reasoning_content:
                self._add(choice.index, choice.delta.reasoning_content, self._reasoning)
        if text:
            self._add(choice.index, text, self._parts)
        if choice.finish_reason is not None:
            self._finish[choice.index] = choice.finish_reason

    def _add(self, index: int, text: str, parts: list[str]) -> None:
        if index:
            self._beyond_text = "a second choice was sent"
        else:
            parts.append(text)
            self._deltas += 1


def _first_envelope(values: Iterable[bytes]) -> Envelope | None:
    for value in values:
        found = msgspec.json.decode(value, type=Envelope)
        if found.id is not None:
            return found
    return None


def _beyond_text(delta: _Delta) -> str | None:
    """What a delta has that is not text, or None."""
    for name, value in (
        ("a tool call", delta.tool_calls),
        ("a function call", delta.function_call),
        ("audio", delta.audio),
    ):
        if bytes(value) not in _EMPTY:
            return f"{name} was half sent"
    if delta.reasoning and not delta.reasoning_content:  # its prompts have no field for it
        return "reasoning was half sent"
    return "a refusal was half sent" if delta.refusal else None
