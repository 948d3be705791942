"""The OpenAI door: inference and models, for OpenAI's clients and Anthropic's.

Two ways in. Plain requests for inference come before ASGI (``hot``): the bytes of
the answer go from the worker's socket to the client's. Everything else comes over
ASGI, the same conversation on a slower road. The connection is the job: a client
that leaves cancels it, streaming or not; nothing is stored.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from urllib.parse import unquote

import msgspec
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from rbee.contracts.openai import ModelObject, ModelObjects
from rbee.contracts.principals import LOCAL, Principal
from rbee.errors import ClientGone, DeadlineExceeded, MethodNotAllowed, ModelNotFound, RbeeError
from rbee.foundation import logs
from rbee.foundation.faults import unforeseen
from rbee.foundation.http.exchange import AsgiExchange
from rbee.foundation.http.gate import PRINCIPAL, Policy, admit
from rbee.foundation.http.problems import send_problem
from rbee.foundation.http.wire import Hot, WireExchange
from rbee.queen.api.conversation import EARLY_HEAD_S, Conversation
from rbee.queen.api.dialects import ENDPOINTS, PREFIXES, Endpoint, endpoint_at, render
from rbee.queen.api.flight import Begun
from rbee.queen.api.quick import QuickLane
from rbee.queen.inference.call import Call, JobIds
from rbee.queen.inference.dispatch import Dispatcher
from rbee.queen.inference.media import Media
from rbee.queen.keys.models import check_model, may_see
from rbee.queen.registry.colony import Colony
from rbee.queen.scheduling.rates import Rates, estimated_tokens
from rbee.queen.tally import Tally
from rbee.queen.tracing import Request, Traces

_log = logs.get(__name__)


def models_path(path: str) -> str | None:
    """What follows ``models`` in a path of any prefix: ``""`` for the list; None for others."""
    for prefix in PREFIXES:
        if path.startswith(prefix + "models"):
            rest = path[len(prefix) + len("models") :].rstrip("/")
            return rest[1:] if rest.startswith("/") else rest or ""
    return None


class OpenAIDoor:
    """Handles inference and ``models``; ``handles`` says which paths are its own."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        colony: Colony,
        tally: Tally,
        rates: Rates,
        *,
        traces: Traces | None = None,
        media: Media | None = None,
        early_head_s: float = EARLY_HEAD_S,
    ) -> None:
        self._dispatcher = dispatcher
        self._colony = colony
        self._tally = tally
        self._rates = rates
        self._traces = traces
        self._media = media or Media([])
        self._early_head_s = early_head_s
        self._ids = JobIds()

    def handles(self, path: str) -> bool:
        """Whether a path belongs to this door."""
        return endpoint_at(path) is not None or models_path(path) is not None

    # ── two ways in ───────────────────────────────────────────────────────────

    def hot(self, policy: Policy) -> Hot:
        """The way in before ASGI, behind the same gate."""

        async def handle(exchange: WireExchange) -> None:
            conversation = self._conversation(exchange, ENDPOINTS[exchange.path])
            try:
                principal = admit(policy, exchange.path, exchange.headers)
            except RbeeError as error:
                await self._failed(conversation, error)
                return
            await self._converse(conversation, principal)

        async def go_on(exchange: WireExchange, call: Call, begun: Begun) -> None:
            conversation = self._conversation(exchange, ENDPOINTS[exchange.path], call)
            conversation.arrived = begun.since
            await self._converse(conversation, call.principal, begun)

        if self._traces is not None:  # a span costs as much as the lane saves
            return Hot(frozenset(path.encode() for path in ENDPOINTS), handle)
        quick = QuickLane(self._dispatcher.plane, policy, self._ids, go_on)
        return Hot(frozenset(path.encode() for path in ENDPOINTS), handle, quick)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request that came over ASGI."""
        endpoint = endpoint_at(scope["path"])
        if endpoint is None:
            await self._list_models(scope, send, scope.get(PRINCIPAL, LOCAL))
            return
        exchange = AsgiExchange(scope, receive, send)
        conversation = self._conversation(exchange, endpoint)
        if exchange.method != "POST":
            await conversation.fail(
                MethodNotAllowed(f"{exchange.method} is not allowed on {exchange.path}.")
            )
            return
        await self._converse(conversation, scope.get(PRINCIPAL, LOCAL))

    # ── inference ─────────────────────────────────────────────────────────────

    def _conversation(
        self,
        exchange: AsgiExchange | WireExchange,
        endpoint: Endpoint,
        call: Call | None = None,
    ) -> Conversation:
        return Conversation(
            exchange,
            endpoint,
            job_id=self._ids.take() if call is None else call.job_id,
            arrived=asyncio.get_running_loop().time(),
            early_head_s=self._early_head_s,
        )

    async def _converse(
        self, conversation: Conversation, principal: Principal, begun: Begun | None = None
    ) -> None:
        """One request to its end; every error leaves in the client's own shape."""
        logs.of_request(conversation.job_id, conversation.request_id.decode("ascii"))
        try:
            call = await conversation.read_call(principal, self._media)
            if begun is not None:
                begun.check()
            if principal.models:
                check_model(principal, call.model, self._colony)
            if principal.limited:
                conversation.allow(self._rates.check(principal, conversation.arrived))
            await self._infer(conversation, call, begun)
        except RbeeError as error:
            await self._failed(conversation, error)
            return
        except (ClientDisconnect, asyncio.CancelledError) as gone:
            if not conversation.exchange.finished:
                conversation.status = ClientGone.status
                _log.info("client gone", job=conversation.job_id, status=ClientGone.status)
            self._count(conversation)
            if isinstance(gone, asyncio.CancelledError):
                raise
            return
        except Exception as error:  # noqa: BLE001  the door is a process boundary: it must answer
            await self._failed(conversation, unforeseen(error, where=conversation.exchange.path))
            return
        self._count(conversation)

    async def _infer(self, conversation: Conversation, call: Call, begun: Begun | None) -> None:
        exchange = conversation.exchange
        if call.deadline_s is None and not isinstance(exchange, AsgiExchange):
            # The usual case: the protocol cancels this task when the client leaves.
            await self._relay(conversation, call, begun)
            return
        deadline = asyncio.timeout(call.deadline_s)
        try:
            async with deadline:
                if isinstance(exchange, AsgiExchange):
                    async with _while_connected(exchange):
                        await self._relay(conversation, call, begun)
                else:
                    await self._relay(conversation, call, begun)
        except TimeoutError:
            if not deadline.expired():
                raise
            raise DeadlineExceeded(f"The deadline of {call.deadline_s:g} s has passed.") from None

    async def _relay(self, conversation: Conversation, call: Call, begun: Begun | None) -> None:
        on_wait = conversation.tell if call.stream else None
        taken, said = (None, None) if begun is None else (begun.taken, begun.said)
        async with self._dispatcher.answer(call, on_wait, said=said, taken=taken) as answer:
            await conversation.relay(answer, stream=call.stream)

    async def _failed(self, conversation: Conversation, error: RbeeError) -> None:
        self._tally.refused(error.code)
        with contextlib.suppress(ClientDisconnect):
            await conversation.fail(error)
        conversation.status = error.status
        self._count(conversation)

    def _count(self, conversation: Conversation) -> None:
        answer, call = conversation.answer, conversation.call
        now = asyncio.get_running_loop().time()
        if self._traces is not None:
            self._traces.ended(_traced(conversation, now))
        tally, endpoint = self._tally, conversation.endpoint.path
        if answer is None or answer.worker is None:
            name = "" if call is None else call.model
            tally.answered(
                self._colony.resolve(name) or name,
                endpoint,
                conversation.status,
                whole_s=now - conversation.arrived,
            )
            return
        tally.answered(
            answer.worker.model,
            endpoint,
            conversation.status,
            queue_s=answer.queue_s,
            first_s=answer.first_at - conversation.arrived,
            whole_s=now - conversation.arrived,
            events=answer.events_sent,
        )
        usage = answer.usage
        if usage is not None:
            tally.tokens(answer.worker.model, endpoint, usage.prompt, usage.completion)
        if call is not None and call.principal.counts_tokens:
            tokens = (
                usage.prompt + usage.completion
                if usage is not None
                else estimated_tokens(len(call.body), answer.events_sent, answer.bytes_read)
            )
            self._rates.debit(call.principal, tokens, now)

    # ── models ────────────────────────────────────────────────────────────────

    async def _list_models(self, scope: Scope, send: Send, principal: Principal) -> None:
        path, method = scope["path"], scope["method"]
        try:
            if method != "GET":
                raise MethodNotAllowed(f"{method} is not allowed on {path}.")
            name = unquote(models_path(path) or "")
            found = self._model(name, principal) if name else self._models(principal)
        except RbeeError as error:
            await send_problem(send, error, render(error, "openai"))
            return
        body = msgspec.json.encode(found)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _models(self, principal: Principal) -> ModelObjects:
        rows = self._colony.model_objects()
        return ModelObjects(data=[row for row in rows if may_see(principal, row)])

    def _model(self, name: str, principal: Principal) -> ModelObject:
        model_id = self._colony.resolve(name)
        for row in self._colony.model_objects():
            if row.id == model_id and may_see(principal, row):
                return row
        raise ModelNotFound(f"No hive has the model {name!r}.", param="model")


def _traced(conversation: Conversation, now: float) -> Request:
    """A request that has ended, for its span."""
    request = Request(
        endpoint=conversation.endpoint.path,
        status=conversation.status,
        whole_s=now - conversation.arrived,
        call=conversation.call,
        traceparent=conversation.header(b"traceparent"),
    )
    answer = conversation.answer
    if answer is None:
        return request
    return msgspec.structs.replace(
        request,
        worker=answer.worker,
        queue_s=answer.queue_s,
        first_s=answer.first_at - conversation.arrived,
        usage=answer.usage,
        events=answer.events_sent,
        continued=answer.continued,
    )


@contextlib.asynccontextmanager
async def _while_connected(exchange: AsgiExchange) -> AsyncGenerator[None]:
    """Cancel the block when the client leaves.

    Raises:
        ClientDisconnect: it has left.
    """
    task = asyncio.current_task()
    left = False

    async def watch() -> None:
        nonlocal left
        await exchange.left()
        if task is not None:
            left = True
            task.cancel()

    watching = asyncio.get_running_loop().create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        if not left or task is None:
            raise
        task.uncancel()
        raise ClientDisconnect from None
    finally:
        watching.cancel()
