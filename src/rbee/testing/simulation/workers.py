"""A worker that is played: llama.cpp's HTTP face over connections made of timers.

Its text is the scripted engine's, so every answer is known in advance and a seam that
is not exact shows. It has slots and a queue behind them, tells nobody before it writes,
notices a leaving client only by the connection, and dies at any byte.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from random import Random
from typing import Final

import msgspec

from rbee.contracts.workers import WorkerStatus
from rbee.testing.raw_worker import CHUNKED_HEAD, chunk
from rbee.testing.simulation.network import End
from rbee.worker.api.answers import Finish, Json, Scribe, Tally
from rbee.worker.api.requests import ChatRequest, CompletionRequest, TokenizeRequest
from rbee.worker.engines.script import Script, script_for
from rbee.worker.engines.scripted_text import piece_id, pieces, render_chat, tokens_after

CHAT: Final = "/v1/chat/completions"
COMPLETIONS: Final = "/v1/completions"
MIB: Final = 1024 * 1024

_HEAD_END: Final = b"\r\n\r\n"
_QUIET: Final = Script(tokens=24)


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How quick a machine is. Seconds."""

    load_s: float = 4.0
    first_s: float = 0.05
    token_s: float = 0.02


class Worker:
    """One process. ``status`` is what its hive says of it; ``alive`` what is true."""

    def __init__(
        self,
        *,
        worker_id: str,
        model: str,
        generation: int,
        address: str,
        port: int,
        size_bytes: int,
        slots: int,
        pace: Pace,
        dice: Random,
    ) -> None:
        self.worker_id = worker_id
        self.model = model
        self.generation = generation
        self.address = address
        self.port = port
        self.size_bytes = size_bytes
        self.slots = slots
        self.pace = pace
        self.status: WorkerStatus = "starting"
        self.alive = True
        self.hung = False
        self.restarts: list[float] = []
        self.ready_at: float | None = None
        self.idle_since: float | None = None
        self.running: set[_Talk] = set()
        self.line: deque[_Talk] = deque()
        self.dice = dice
        self._talks: set[_Talk] = set()

    @property
    def busy(self) -> int:
        """Requests in its slots."""
        return len(self.running)

    @property
    def at_work(self) -> bool:
        """Whether anybody waits for an answer of it."""
        return bool(self.running or self.line)

    def talk(self) -> "_Talk":
        """The worker's side of a new connection."""
        talk = _Talk(self)
        self._talks.add(talk)
        return talk

    def kill(self) -> None:
        """End the process now; each answer is cut somewhere in its next event."""
        self.alive = False
        self.running.clear()
        self.line.clear()
        talks, self._talks = self._talks, set()
        for talk in talks:
            talk.cut()

    # ── slots ─────────────────────────────────────────────────────────────────

    def enter(self, talk: "_Talk") -> None:
        """A request takes a slot, or stands in line for one."""
        if len(self.running) < self.slots:
            self.running.add(talk)
            talk.begin()
        else:
            self.line.append(talk)

    def leave(self, talk: "_Talk") -> None:
        """A request is over, or its client has left."""
        if talk in self.line:
            self.line.remove(talk)
        elif talk in self.running:
            self.running.discard(talk)
            if self.line:
                following = self.line.popleft()
                self.running.add(following)
                following.begin()
        if self.alive and not self.at_work:
            self.idle_since = asyncio.get_running_loop().time()

    def forget(self, talk: "_Talk") -> None:
        """The connection is gone."""
        self._talks.discard(talk)
        self.leave(talk)


class _Talk(asyncio.Protocol):
    """One connection to a worker, and one request on it: llama.cpp's server closes after it."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._loop = asyncio.get_running_loop()
        self._wire: End | None = None
        self._got = b""
        self._timer: asyncio.TimerHandle | None = None
        self._tokens: Iterator[str] = iter(())
        self._request: ChatRequest | CompletionRequest = CompletionRequest(prompt="")
        self._prefix = ""
        self._parts: list[str] = []
        self._limit: int | None = None
        self._scribe: Scribe | None = None
        self._tally = Tally(prompt_tokens=0)
        self._following = b""

    # ── asyncio.Protocol ──────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the wire."""
        assert isinstance(transport, End)  # noqa: S101  simulations have no other
        self._wire = transport

    def data_received(self, data: bytes) -> None:
        """Take a request when it is whole."""
        self._got += data
        head, found, body = self._got.partition(_HEAD_END)
        if not found:
            return
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        if len(body) < length:
            return
        self._got = body[length:]
        self._take(head.split(b" ", 2)[1].decode(), body[:length])

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio gives it
        """The caller has left: its slot is free."""
        self._stop()
        self._worker.forget(self)

    # ── requests ──────────────────────────────────────────────────────────────

    def _take(self, path: str, body: bytes) -> None:
        if self._worker.status not in {"ready", "busy", "draining"}:
            self._answer({"error": {"code": 503, "message": "Loading model"}}, status=503)
            return
        match path:
            case "/tokenize":
                asked = msgspec.json.decode(body, type=TokenizeRequest)
                self._answer({"tokens": [piece_id(piece) for piece in pieces(asked.content)]})
            case "/apply-template":
                chat = msgspec.json.decode(body, type=ChatRequest)
                self._answer({"prompt": render_chat(chat.turns)})
            case _:
                self._generate(path, body)

    def _generate(self, path: str, body: bytes) -> None:
        if path == CHAT:
            chat = msgspec.json.decode(body, type=ChatRequest)
            self._request, self._prefix = chat, render_chat(chat.turns)
        else:
            text = msgspec.json.decode(body, type=CompletionRequest)
            self._request, self._prefix = text, text.prompt
        script = script_for(self._prefix, _QUIET)
        self._limit = self._request.limit
        self._tokens = tokens_after(self._prefix, total=script.tokens)
        self._tally = Tally(prompt_tokens=len(pieces(self._prefix)))
        route = "chat" if path == CHAT else "completions"
        self._scribe = Scribe(route, self._worker.model, self._tally)
        self._worker.enter(self)

    def begin(self) -> None:
        """A slot is free: the head goes out at once, the first token later."""
        if self._request.stream:
            self._write(CHUNKED_HEAD)
        self._timer = self._loop.call_later(self._worker.pace.first_s, self._step)

    def _step(self) -> None:
        """One token, or the end."""
        if self._worker.hung:
            return
        assert self._scribe is not None  # noqa: S101  set before the first step
        opening = b"" if self._tally.predicted_tokens else self._scribe.opening()
        token = next(self._tokens, None)
        if token is None:
            self._end("stop", opening)
            return
        self._tally.predicted_tokens += 1
        if self._request.stream:
            self._following = chunk(opening + self._scribe.token(token))
            self._write(self._following)
        self._parts.append(token)
        if self._tally.predicted_tokens == self._limit:
            self._end("length", b"")
            return
        self._timer = self._loop.call_later(self._worker.pace.token_s, self._step)

    def _end(self, finish: Finish, opening: bytes) -> None:
        assert self._scribe is not None  # noqa: S101  set before the first step
        if self._request.stream:
            usage = self._request.wants_usage
            events = opening + self._scribe.ending(finish, self._prefix, usage=usage)
            self._write(chunk(events) + chunk(b""))
        else:
            text = "".join(self._parts)
            if isinstance(self._request, ChatRequest):
                text = self._request.given + text
            self._answer(self._scribe.whole(text, finish, self._prefix))
        self._timer = None
        self._worker.leave(self)
        self._close()

    def cut(self) -> None:
        """The process dies: a part of the next event was on its way, or it was not."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
            if self._request.stream and self._following and self._worker.dice.random() < 0.5:  # noqa: PLR2004  half
                piece = self._following[: self._worker.dice.randrange(len(self._following))]
                self._write(piece)
        wire = self._wire
        if wire is not None:
            if self._worker.dice.random() < 0.5:  # noqa: PLR2004  half end without a word, half by a reset
                wire.close()
            else:
                wire.abort()

    # ── bytes ─────────────────────────────────────────────────────────────────

    def _answer(self, value: Json, *, status: int = 200) -> None:
        body = msgspec.json.encode(value)
        head = b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self._write(head % (status, len(body)) + body)
        if self._scribe is None:
            self._close()

    def _write(self, data: bytes) -> None:
        if self._wire is not None:
            self._wire.write(data)

    def _close(self) -> None:
        self._stop()
        if self._wire is not None:
            self._wire.close()

    def _stop(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
