"""One inference request and its answer: what the client is told, and when.

Between the doors (which know how bytes arrive) and the data plane (which knows
workers) stands what the API promises: the headers, the early head of a stream that
waits, errors in the words of the client's own library, the count in the end.
"""

import re
from typing import Final

from rbee.contracts.decode import decode_json
from rbee.contracts.openai import RequestPeek
from rbee.contracts.principals import Principal, priority_for
from rbee.errors import InvalidRequest, RbeeError
from rbee.foundation import sse
from rbee.foundation.http.exchange import EVENT_STREAM, Exchange, Headers
from rbee.foundation.http.problems import problem_headers
from rbee.queen.api.dialects import Endpoint, in_stream, render
from rbee.queen.inference.answer import Answer
from rbee.queen.inference.call import CHAT_PATH, Call
from rbee.queen.inference.media import Media
from rbee.queen.inference.tool_choice import Enforced, enforce
from rbee.queen.inference.upstream import BUFFERED_BYTES_MAX
from rbee.queen.inference.waiting import Waiting

EARLY_HEAD_S: Final = 3.0  # wire.md: a streaming client that has waited this long gets its 200
DEADLINE_S_MAX: Final = 86_400.0  # a day: nobody waits longer for one answer

_OK: Final = 200

_REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")  # printable and short: it is echoed and logged


class Conversation:
    """One request and its answer, from the peek to the last byte."""

    __slots__ = (
        "_early",
        "_early_head_s",
        "_enforced",
        "_rate_headers",
        "answer",
        "arrived",
        "call",
        "endpoint",
        "exchange",
        "job_id",
        "request_id",
        "status",
    )

    def __init__(
        self,
        exchange: Exchange,
        endpoint: Endpoint,
        *,
        job_id: str,
        arrived: float,
        early_head_s: float,
    ) -> None:
        self.exchange = exchange
        self.endpoint = endpoint
        self.job_id = job_id
        self.arrived = arrived  # seconds of the loop's clock
        self.status = _OK if exchange.started else 0
        self.call: Call | None = None
        self.answer: Answer | None = None
        self._early_head_s = early_head_s
        self._early = False  # whether the head went out before a worker was found
        self._rate_headers: Headers = []
        self._enforced: Enforced | None = None
        given = exchange.headers.get(b"x-request-id", b"")
        self.request_id = given if _REQUEST_ID.fullmatch(given) else job_id.encode()

    # ── the request ───────────────────────────────────────────────────────────

    async def read_call(self, principal: Principal, media: Media) -> Call:
        """The call for the data plane.

        Raises:
            ContractError: the body or a header is unusable; says where.
        """
        body = await self.exchange.body()
        peek = decode_json(body, RequestPeek)
        if not peek.model.strip():
            raise InvalidRequest("`model` is empty at `$.model`.", param="$.model")
        body = await media.settle(body)
        if self.endpoint.path == CHAT_PATH and (enforced := enforce(body)) is not None:
            self._enforced, body = enforced, enforced.body
        self.call = Call(
            job_id=self.job_id,
            request_id=self.request_id.decode("ascii"),
            model=peek.model,
            path=self.endpoint.path,
            task=self.endpoint.task,
            body=body,
            stream=self.endpoint.streams and bool(peek.stream),
            principal=principal,
            hive_id=self.header(b"x-hive-preference"),
            session=self.header(b"x-session-id"),
            labels=_labels(self.header(b"x-labels")),
            priority=priority_for(principal, self.header(b"x-priority")),
            deadline_s=self._deadline_s(),
        )
        return self.call

    def allow(self, headers: Headers) -> None:
        """The rate limits let it pass: these headers go with whatever is answered."""
        self._rate_headers = headers

    # ── the answer ────────────────────────────────────────────────────────────

    async def tell(self, waiting: Waiting) -> None:
        """After a while: 200 and comments, so that people and proxies see life."""
        if waiting.waited_s < self._early_head_s and not self.exchange.started:
            return
        if not self.exchange.started:
            self._start(200, [(b"content-type", EVENT_STREAM)], length=None)
            self._early = True
        eta = "unknown" if waiting.eta_s is None else f"{waiting.eta_s:.0f}"
        text = f"waiting position={waiting.position} eta_s={eta} reason={waiting.reason}"
        await self.exchange.send(sse.comment(text))

    async def relay(self, answer: Answer, *, stream: bool) -> None:
        """Give the client the answer: as it comes, or in one piece.

        Raises:
            RbeeError: the worker refused, or died and nobody could go on.
        """
        self.answer = answer
        if not answer.ok:
            raise await answer.problem()
        if stream and (answer.is_event_stream or self.exchange.started):
            await self._relay_stream(answer)
        else:
            await self._relay_whole(answer)

    async def _relay_stream(self, answer: Answer) -> None:
        exchange = self.exchange
        if not exchange.started:
            self._start(answer.status, [*answer.headers, *_about(answer)], length=None)
        elif self._early and answer.worker is not None:
            # The head went out before anybody knew who would answer.
            worker = answer.worker
            text = f"routed worker={worker.worker_id} hive={worker.hive_id} queue_ms="
            await exchange.send(sse.comment(f"{text}{answer.queue_ms}"))
        wire = exchange.wire
        if wire is not None and answer.pourable and self._enforced is None:
            await answer.pour(wire)
            return
        rewriter = None if self._enforced is None else self._enforced.rewriter()
        async for events in answer.events():
            await exchange.send(events if rewriter is None else rewriter.feed(events))
        await exchange.finish()

    async def _relay_whole(self, answer: Answer) -> None:
        exchange = self.exchange
        headers = [(b"content-type", answer.content_type), *_about(answer)]
        wire, length = exchange.wire, answer.length
        large = length is not None and length > BUFFERED_BYTES_MAX
        if wire is not None and large and answer.pourable and self._enforced is None:
            self._start(answer.status, headers, length=length)
            await answer.pour(wire)
            return
        body = await answer.read()
        if self._enforced is not None:
            body = self._enforced.answer(body)
        self._start(answer.status, headers, length=len(body))
        await exchange.finish(body)

    async def fail(self, error: RbeeError) -> None:
        """An error as the answer, or in the stream when the head is out already."""
        exchange = self.exchange
        if exchange.finished:
            return
        dialect, request_id = self.endpoint.dialect, self.request_id.decode("ascii")
        if exchange.started:
            if exchange.chunked:  # of an answer with a length nothing true can be said any more
                await exchange.finish(in_stream(error, dialect, request_id))
            return
        body = render(error, dialect, request_id)
        self._start(error.status, problem_headers(error), length=len(body))
        await exchange.finish(body)

    def _start(self, status: int, headers: Headers, *, length: int | None) -> None:
        self.status = status
        ours: Headers = [
            (b"x-request-id", self.request_id),
            (b"x-rbee-job", self.job_id.encode()),
            (b"x-accel-buffering", b"no"),
        ]
        self.exchange.start(status, [*headers, *ours, *self._rate_headers], length=length)

    # ── headers ───────────────────────────────────────────────────────────────

    def header(self, name: bytes) -> str | None:
        """A request header's value, or None where it is missing or empty."""
        value = self.exchange.headers.get(name)
        return None if value is None else value.decode("latin-1").strip() or None

    def _deadline_s(self) -> float | None:
        text = self.header(b"x-deadline-s")
        if text is None:
            return None
        try:
            seconds = float(text)
        except ValueError:
            seconds = 0.0
        if not 0 < seconds <= DEADLINE_S_MAX:
            raise InvalidRequest(
                f"X-Deadline-S is {text!r}, not a number of seconds up to {DEADLINE_S_MAX:.0f}.",
                param="X-Deadline-S",
            )
        return seconds


def _labels(text: str | None) -> frozenset[str]:
    """``eu, big`` as a set: each must be a label of the hive that serves."""
    if text is None:
        return frozenset()
    return frozenset(part for label in text.split(",") if (part := label.strip()))


def _about(answer: Answer) -> Headers:
    worker = answer.worker
    if worker is None:
        return []
    return [
        (b"x-rbee-worker", worker.worker_id.encode()),
        (b"x-rbee-hive", worker.hive_id.encode()),
        (b"x-rbee-queue-ms", b"%d" % answer.queue_ms),
    ]
