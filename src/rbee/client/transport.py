"""Errors in: the one place where an HTTP answer becomes an exception of ``rbee.errors``.

Every request of our own clients passes through ``Transport``. It keeps two rules:
a server that cannot be reached is ``HiveUnreachable`` or ``QueenUnreachable``
(with what was tried), and an error that a server sent comes back as the very
class that it was raised as there, found by its stable ``code``.
"""

import socket
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Final, Self, TypeVar, cast
from urllib.parse import urlsplit

import httpx2
import msgspec

from rbee import errors
from rbee.errors import (
    CapacityError,
    DeadlineExceeded,
    RbeeError,
    RemoteError,
    TlsRequired,
    UntrustedPeer,
)
from rbee.foundation.http.tls import ANYONE
from rbee.foundation.trust import client_context

T = TypeVar("T")

CONNECT_S: Final = 3.0  # a machine on the same network answers in milliseconds or not at all
ANSWER_S: Final = 30.0  # control-plane requests only start things; none of them takes seconds
SILENCE_S: Final = 50.0  # a stream has a keep-alive every 15 s: three missed ones and it is dead
_TEXT_SHOWN_MAX: Final = 300  # of a foreign server's error page, enough to recognise it
_LOWEST_ERROR_STATUS: Final = 400
_ERRORS: Final = f"{errors.__name__}."
_NO_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"})


class Transport:
    """One server's address, its key and a pool of connections to it.

    Enter it as an async context manager, or call ``close``. ``unreachable`` is the
    error to raise when nobody answers. Who answers at an https URL must be of a colony
    that this user trusts (``foundation.trust``) and be what ``expects`` says, or pass
    ``tls`` where that is given. ``http`` swaps the wire for tests
    (``httpx2.ASGITransport``). The environment's proxies are not used: the
    colony's own machines are on its own network, and loopback has no proxy.
    """

    def __init__(
        self,
        base_url: str,
        *,
        unreachable: type[RemoteError],
        key: str | None = None,
        http: httpx2.AsyncBaseTransport | None = None,
        expects: str = ANYONE,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Nothing is sent yet.

        Raises:
            BadSettings: ``RBEE_CA_FILE`` cannot be used.
        """
        self.base_url = base_url.rstrip("/")
        self._unreachable = unreachable
        # Over plain HTTP to another machine a key is readable on the way: see `_may_show_key`.
        self._key_untried = (
            bool(key) and self.base_url.startswith("http:") and not _is_near(base_url)
        )
        self._http = httpx2.AsyncClient(
            base_url=self.base_url,
            headers={"authorization": f"Bearer {key}"} if key else {},
            timeout=httpx2.Timeout(ANSWER_S, connect=CONNECT_S),
            transport=http,
            trust_env=False,
            verify=_verifying(self.base_url, expects, tls),
        )

    async def __aenter__(self) -> Self:
        """Give back itself; connections open when they are needed."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def ask(
        self,
        method: str,
        path: str,
        type_: type[T],
        *,
        body: object = None,
        timeout_s: float = ANSWER_S,
    ) -> T:
        """One request with a JSON answer, read as ``type_``.

        ``body`` is anything that msgspec encodes, or None for no body.

        Raises:
            RbeeError: whatever the server answered, as its own class.
            RemoteError: nobody answers (the class given as ``unreachable``), or
                the answer is not of the expected shape.
            DeadlineExceeded: connected, and no answer within ``timeout_s``.
        """
        content = None if body is None else msgspec.json.encode(body)
        headers = {} if body is None else {"content-type": "application/json"}
        timeout = httpx2.Timeout(timeout_s, connect=CONNECT_S)
        try:
            await self._may_show_key()
            response = await self._http.request(
                method, path, content=content, headers=headers, timeout=timeout
            )
        except httpx2.HTTPError as error:
            raise self.failure(error) from None
        if response.status_code >= _LOWEST_ERROR_STATUS:
            raise error_from(response.status_code, response.content, response.headers)
        try:
            return msgspec.json.decode(response.content, type=type_)
        except msgspec.MsgspecError as error:
            raise RemoteError(
                f"{self.base_url}{path} answered something else than was expected: {error}.",
                remedy="Is this address rbee's, and of the same version? `/v1/info` says.",
            ) from None

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        errors_too: bool = False,
    ) -> AsyncGenerator[httpx2.Response]:
        """Open a stream; its head has arrived and is no error when the body is entered.

        ``errors_too`` gives an answer of 400 and more as it came, for who passes it on.

        What goes wrong while the body is read leaves as ``httpx2.TransportError``:
        only the reader knows whether it can go on elsewhere (see ``failure``).

        Raises:
            RbeeError: as ``ask``.
        """
        timeout = httpx2.Timeout(SILENCE_S, connect=CONNECT_S)
        sent = {"accept": "text/event-stream", **(headers or {})}
        if body is not None:
            sent.setdefault("content-type", "application/json")
        request = self._http.build_request(
            method, path, content=body, headers=sent, timeout=timeout
        )
        try:
            await self._may_show_key()
            response = await self._http.send(request, stream=True)
        except httpx2.HTTPError as error:
            raise self.failure(error) from None
        try:
            if response.status_code >= _LOWEST_ERROR_STATUS and not errors_too:
                raise error_from(response.status_code, await response.aread(), response.headers)
            yield response
        finally:
            await response.aclose()

    async def _may_show_key(self) -> None:
        """Ask, without the key, whether the server takes plain HTTP from this machine at all.

        Raises:
            TlsRequired: it does not; the key has not left this machine.
            httpx2.HTTPError: it does not answer.
        """
        if not self._key_untried:
            return
        question = self._http.build_request("GET", "/health")
        del question.headers["authorization"]
        answer = await self._http.send(question)
        if answer.status_code == TlsRequired.status:
            raise error_from(answer.status_code, answer.content, answer.headers)
        self._key_untried = False

    def failure(self, error: httpx2.HTTPError) -> RemoteError:
        """The error to raise for a request that got no whole answer."""
        if (untrusted := _untrusted(self.base_url, error)) is not None:
            return untrusted
        if isinstance(error, httpx2.ReadTimeout):
            return DeadlineExceeded(
                f"{self.base_url} took the request and did not answer in time.",
                remedy="It may be overloaded or hung; its log says more.",
            )
        return self._unreachable(f"{self.base_url} does not answer: {_why(error)}.")


def _is_near(url: str) -> bool:
    """Whether an address is this machine's own loopback."""
    host = urlsplit(url).hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")


def _verifying(url: str, expects: str, tls: ssl.SSLContext | None) -> ssl.SSLContext | bool:
    """httpx2's ``verify``. Building a context takes longer than the rest of a short command."""
    if not url.startswith("https:"):
        return False
    return tls or client_context(url, expects=expects)


def _untrusted(url: str, error: BaseException) -> RemoteError | None:
    """The error for TLS that does not come about; None when it was something else."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            what = getattr(cause, "verify_message", "") or cause.args[-1]  # ours has no such words
            return UntrustedPeer(f"{url} shows a certificate that is not trusted: {what}.")
        if isinstance(cause, ssl.SSLError) and cause.reason in _NO_TLS:
            return RemoteError(
                f"{url} does not speak TLS.",
                remedy=f"Write http://{url.removeprefix('https://')} if it is this machine's "
                "or in a network that you trust.",
            )
        cause = cause.__cause__ or cause.__context__
    return None


def _why(error: BaseException) -> str:
    """The system's own words for a failed connection, which the library hides one level down."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return "no machine is known by that name"
        if isinstance(cause, ConnectionRefusedError):
            return "nothing listens there"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx2.ConnectTimeout):
        return f"no connection within {CONNECT_S:.0f} s"
    return str(error).strip().rstrip(".") or type(error).__name__


class _OpenAIError(msgspec.Struct):
    """The nested dialect's inner object, read tolerantly."""

    message: str = ""
    code: str | int | None = None
    param: str | None = None
    remedy: str | None = None


class _AnyError(msgspec.Struct):
    """Both dialects at once: ``error`` is a title, or OpenAI's object."""

    error: str | _OpenAIError = ""
    details: str = ""
    code: str | None = None
    remedy: str | None = None
    param: str | None = None


def error_from(status: int, body: bytes, headers: Mapping[str, str]) -> RbeeError:
    """The exception that an error answer stands for.

    Reads the control plane's ``Problem`` and OpenAI's envelope; any other body
    (a proxy's page) becomes a RemoteError that quotes its beginning.
    """
    try:
        read = msgspec.json.decode(body, type=_AnyError)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        read = _AnyError()
    retry = headers.get("retry-after", "")
    retry_after_s = int(retry) if retry.isdigit() else None
    if isinstance(read.error, _OpenAIError):
        inner = read.error
        message = inner.message.removesuffix(f" {inner.remedy}") if inner.remedy else inner.message
        return rebuild(
            str(inner.code or ""), message, inner.remedy, inner.param, retry_after_s, status
        )
    if read.code:
        message = read.details or read.error
        return rebuild(read.code, message, read.remedy, read.param, retry_after_s, status)
    if "html" in headers.get("content-type", ""):
        return RemoteError(
            f"Something that is not rbee answers there: a web page with status {status}.",
            remedy="Check the address and the port; `rbee doctor` says who listens here.",
        )
    text = body.decode("utf-8", "replace").strip()[:_TEXT_SHOWN_MAX]
    return RemoteError(f"The server answered {status}: {text or 'nothing more'}")


def error_from_event(message: str, data: object) -> RbeeError:
    """The exception that a job's ``error`` event stands for."""
    found: dict[str, Any] = cast("dict[str, Any]", data) if isinstance(data, dict) else {}
    code, remedy, param = (found.get(name) for name in ("code", "remedy", "param"))
    retry, status = found.get("retry_after_s"), found.get("status")
    return rebuild(
        code if isinstance(code, str) else "",
        message,
        remedy if isinstance(remedy, str) else None,
        param if isinstance(param, str) else None,
        retry if isinstance(retry, int) else None,
        status if isinstance(status, int) else RemoteError.status,
    )


def rebuild(
    code: str,
    message: str,
    remedy: str | None,
    param: str | None,
    retry_after_s: int | None,
    status: int,
) -> RbeeError:
    """An instance of the class that ``code`` names; an unknown code is a RemoteError."""
    kind = _CLASS_BY_CODE.get(code)
    if kind is None:
        return RemoteError(f"{message} ({code or 'no code'}, HTTP {status})", remedy=remedy)
    if issubclass(kind, CapacityError) and retry_after_s is not None:
        return kind(message, remedy=remedy, param=param, retry_after_s=retry_after_s)
    return kind(message, remedy=remedy, param=param)


def _classes_below(kind: type[RbeeError]) -> list[type[RbeeError]]:
    """``kind`` and its subclasses in ``rbee.errors``, the nearer before the farther.

    A room's own refinements (a worker that is gone) travel as what they refine.
    """
    found = [kind]
    for child in kind.__subclasses__():
        if child.__module__.startswith(_ERRORS):
            found += _classes_below(child)
    return found


# A child that keeps its parent's code (InvalidRequest under ContractError) is the
# one that is raised, so the later and deeper entry wins.
_CLASS_BY_CODE: Final[dict[str, type[RbeeError]]] = {
    kind.code: kind for kind in _classes_below(RbeeError)
}
