"""Clients that are played: each asks once and judges what it got, byte for byte.

Every answer is known in advance, so there are few verdicts: ``whole`` (exactly right),
``told`` (a clear error: as the answer, or as the stream's last event after a part that
is right), ``left`` (the client itself went away), ``queen died`` (the connection broke
because she was killed). All else breaks the rule: a stream that was cut without a word,
a wrong byte, two ends, or none.
"""

import asyncio
from http import HTTPStatus
from typing import Any, Final

import msgspec

from rbee.contracts.jobs import DONE, ENDED, JobEvent
from rbee.foundation.journal import JobRow, KeptEvent
from rbee.testing.killing import Plan, Seen, faults_of
from rbee.testing.simulation.network import End
from rbee.testing.simulation.queen import KEYS
from rbee.testing.simulation.world import World
from rbee.worker.engines.scripted_text import answer_after

SLOW_S: Final = 3.0  # how long a slow reader reads nothing

_TOKENS: Final = (4, 40)
_HALF: Final = 0.5


class Ask(Plan, kw_only=True):
    """One request: what, when, by whom, and how patiently."""

    model: str
    at_s: float
    key: str | None = None
    priority: str | None = None
    leaves_after_s: float | None = None
    slow_at: int | None = None
    job: bool = False

    @property
    def prompt(self) -> str:
        """The words; the script in them says how long the answer is."""
        return f'Question {self.number}. [[script {{"tokens": {self.tokens}}}]]'

    @property
    def body(self) -> bytes:
        """The request as OpenAI's API has it."""
        asked = msgspec.json.decode(super().body, type=dict[str, Any])
        return msgspec.json.encode(asked | {"model": self.model})

    @property
    def operation(self) -> bytes:
        """The request as an ``infer`` job."""
        operation = {
            "operation": "infer",
            "model": self.model,
            "prompt": self.prompt,
            "max_tokens": self.max_tokens or 1_000,
            "raw": not self.chat,
            "stream": self.stream,
        }
        return msgspec.json.encode(operation)

    @property
    def expected(self) -> str:
        """The right answer."""
        return answer_after(self.rendered, total=self.tokens, limit=self.max_tokens)

    @property
    def request(self) -> bytes:
        """The bytes that the client sends."""
        body = self.body
        lines = [f"POST {self.path} HTTP/1.1", "Host: localhost:7833"]
        lines += ["Content-Type: application/json", "Connection: close"]
        if self.key is not None:
            lines.append(f"Authorization: Bearer {self.key}")
        if self.priority is not None:
            lines.append(f"X-Priority: {self.priority}")
        lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "", ""]).encode() + body


def asks(world: World) -> list[Ask]:
    """The scenario's requests, in the order of their arrival."""
    dice, scenario = world.dice, world.scenario
    made: list[Ask] = []
    at_s = 0.0
    for number in range(scenario.requests):
        at_s += dice.expovariate(scenario.rate_per_s)
        tokens = dice.randint(*_TOKENS)
        stream = dice.random() < 0.7  # noqa: PLR2004  most clients stream
        leaves = dice.random() < scenario.leavers
        slow = stream and dice.random() < scenario.slow_readers
        made.append(
            Ask(
                number=number,
                chat=dice.random() < _HALF,
                stream=stream,
                include_usage=dice.random() < _HALF,
                tokens=tokens,
                max_tokens=dice.randint(1, tokens) if dice.random() < _HALF else None,
                model=dice.choice(world.models),
                at_s=at_s,
                key=dice.choice([None, *KEYS]),
                priority=dice.choice([None, None, "low", "high"]),
                leaves_after_s=dice.uniform(0.0, 2.0) if leaves else None,
                slow_at=dice.randint(1, 2_000) if slow else None,
                job=dice.random() < scenario.jobs,
            )
        )
    return made


class Client(asyncio.Protocol):
    """One client on its connection. ``verdict`` is null until its one end."""

    def __init__(self, world: World, ask: Ask) -> None:
        self.ask = ask
        self.verdict: str | None = None
        self.queen_killed = False
        self._world = world
        self._wire: End | None = None
        self._got = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        assert isinstance(transport, End)  # noqa: S101  simulations have no other
        self._wire = transport
        transport.write(self.ask.request)
        if self.ask.leaves_after_s is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self.ask.leaves_after_s, self._leave)

    def data_received(self, data: bytes) -> None:
        """Read on; a slow reader stops for a while."""
        if self.verdict is not None:
            self._world.notes.breach("a client was sent something after its end")
        self._got += data
        slow_at = self.ask.slow_at
        if slow_at is not None and len(self._got) >= slow_at and self._wire is not None:
            self.ask.slow_at = None
            self._wire.pause_reading()
            asyncio.get_running_loop().call_later(SLOW_S, self._wire.resume_reading)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio gives it
        """The connection is over: that is the one end."""
        if self._timer is not None:
            self._timer.cancel()
        if self.verdict is not None:
            if self.verdict != "left":
                self._world.notes.breach("a client's connection ended twice")
            return
        self.verdict = self._judged()
        if self.verdict not in {"whole", "queen died"} and not self.verdict.startswith("told: "):
            self._world.notes.breach(f"request {self.ask.number}: {self.verdict}")

    def _leave(self) -> None:
        if self.verdict is None and self._wire is not None:
            self.verdict = "left"
            self._wire.abort()

    def _judged(self) -> str:
        head, _, rest = self._got.partition(b"\r\n\r\n")
        body = _body(head, rest)
        if body is None:
            if self.queen_killed:
                return "queen died"
            return f"silently cut: after {len(self._got)} bytes: {self._got[-80:]!r}"
        status = int(head.split(b" ", 2)[1])
        if status != HTTPStatus.OK:
            return _refused(body)
        if (code := _told(self.ask, body)) is not None:
            return code
        if self.ask.stream and b"data: " not in body:
            return f"silently cut: before its first event: {body[-80:]!r}"
        faults = faults_of(self.ask, Seen(status=status, body=body, whole_s=0.0))
        return "whole" if not faults else f"wrong: {'; '.join(faults)}"


def judged_job(ask: Ask, row: JobRow, events: list[KeptEvent], ends: int) -> str:
    """The verdict on a job by what the disk kept of it."""
    if row.status not in ENDED or ends != 1:
        return f"lost: it is {row.status} and ended {ends} times"
    return _judged_events(ask, row, events)


def _judged_events(ask: Ask, row: JobRow, events: list[KeptEvent]) -> str:
    *kept, last = [event.data for event in events]
    if last.decode() != DONE:
        return "wrong: its last event is not the end"
    told = [msgspec.json.decode(data, type=JobEvent) for data in kept]
    if [event.seq for event in told] != list(range(1, len(told) + 1)):
        return "wrong: its events are not numbered one by one"
    said = "".join(event.message for event in told if event.type == "token")
    if row.status == "completed":
        return "whole" if said == ask.expected else f"wrong: {said!r}, not {ask.expected!r}"
    if not ask.expected.startswith(said):
        return f"wrong: {said!r} does not begin {ask.expected!r}"
    if told[-1].action != "error" or not told[-1].message:
        return "wrong: it failed without a reason"
    return f"told: {told[-1].data['code']}: {told[-1].message}"


def _body(head: bytes, rest: bytes) -> bytes | None:
    """The body, its framing taken off; None where it is not whole."""
    lower = head.lower()
    if b"transfer-encoding: chunked" not in lower:
        length = lower.partition(b"content-length: ")[2].split(b"\r\n")[0]
        return rest if length.isdigit() and len(rest) == int(length) else None
    parts: list[bytes] = []
    while True:
        size, found, rest = rest.partition(b"\r\n")
        if not found:
            return None
        length = int(size, 16)
        if length == 0:
            return b"".join(parts) if rest == b"\r\n" else None
        if rest[length : length + 2] != b"\r\n":
            return None
        parts.append(rest[:length])
        rest = rest[length + 2 :]


class _Error(msgspec.Struct):
    error: dict[str, Any]


def _refused(body: bytes) -> str:
    try:
        error = msgspec.json.decode(body, type=_Error).error
        return f"told: {error['code']}: {error['message']}" if error["message"] else "no words"
    except (msgspec.MsgspecError, KeyError):
        return f"an unreadable error: {body[:200]!r}"


def _told(ask: Ask, body: bytes) -> str | None:
    """The error that ends a stream, where one does; what came before must be right."""
    if not ask.stream:
        return None
    data = [event[6:] for event in body.split(b"\n\n") if event.startswith(b"data: ")]
    if not data or not data[-1].startswith(b'{"error"'):
        return None
    said = ""
    for value in data[:-1]:
        event = msgspec.json.decode(value, type=dict[str, Any])
        for choice in event.get("choices", ()):
            delta: dict[str, Any] = choice.get("delta") or {}
            text: str = choice.get("text") or delta.get("content") or ""
            said += text
    if not ask.expected.startswith(said):
        return f"wrong before its error: {said!r}"
    return _refused(data[-1])
