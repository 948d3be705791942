"""Errors out: the one place where an exception becomes an HTTP answer.

Two dialects: the control plane's flat ``Problem`` and OpenAI's nested
``{"error": {...}}``. No traceback reaches a client; what was not foreseen is
logged with its traceback and answered as ``internal_error``.
"""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Send

from rbee.contracts.daemon import Problem
from rbee.contracts.openai import ErrorBody, ErrorEnvelope
from rbee.errors import (
    CapacityError,
    ContractError,
    InvalidApiKey,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    RateLimited,
    RbeeError,
)
from rbee.foundation.faults import unforeseen

_JSON = "application/json"

Render: TypeAlias = Callable[[RbeeError, str], bytes]
"""Writes an error's body for a path."""

ExceptionHandler: TypeAlias = Callable[[Request, Exception], Awaitable[Response]]


def as_problem(error: RbeeError) -> bytes:
    """The control plane's body for an error."""
    title = error.code.replace("_", " ")
    problem = Problem(
        error=title[:1].upper() + title[1:],
        details=error.message,
        code=error.code,
        remedy=error.remedy,
        param=error.param,
        data=error.data,
    )
    return msgspec.json.encode(problem)


def as_openai(error: RbeeError) -> bytes:
    """OpenAI's body for an error; its clients map the status to exception classes."""
    kind = "server_error"
    if isinstance(error, InvalidApiKey):
        kind = "authentication_error"
    elif isinstance(error, ContractError):
        kind = "invalid_request_error"
    elif isinstance(error, CapacityError):
        kind = "capacity_error"
    body = ErrorBody(
        message=f"{error.message} {error.remedy}",
        type=kind,
        code=error.code,
        param=error.param,
        remedy=error.remedy,
    )
    return msgspec.json.encode(ErrorEnvelope(error=body))


def problem_headers(error: RbeeError) -> list[tuple[bytes, bytes]]:
    """Headers that go with an error's body."""
    headers = [(b"content-type", _JSON.encode()), (b"cache-control", b"no-store")]
    if isinstance(error, CapacityError):
        headers.append((b"retry-after", str(error.retry_after_s).encode()))
    if isinstance(error, RateLimited):
        headers += error.headers
    if isinstance(error, InvalidApiKey):
        headers.append((b"www-authenticate", b"Bearer"))
    return headers


async def send_problem(send: Send, error: RbeeError, body: bytes) -> None:
    """Answer an ASGI request with an error's body."""
    headers = [*problem_headers(error), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def problem_response(request: Request, error: Exception) -> Response:
    """Starlette's exception handler for the control plane."""
    return _response(request, error, lambda error, _path: as_problem(error))


def make_problem_response(render: Render) -> ExceptionHandler:
    """Starlette's exception handler for a server that speaks a dialect on some paths."""

    async def respond(request: Request, error: Exception) -> Response:
        return _response(request, error, render)

    return respond


def _response(request: Request, error: Exception, render: Render) -> Response:
    if isinstance(error, HTTPException):
        error = _from_starlette(request, error)
    elif not isinstance(error, RbeeError):
        error = unforeseen(error, where=f"{request.method} {request.url.path}")
    headers = {name.decode(): value.decode() for name, value in problem_headers(error)}
    return Response(render(error, request.url.path), status_code=error.status, headers=headers)


def _from_starlette(request: Request, error: HTTPException) -> RbeeError:
    path = request.url.path
    if error.status_code == MethodNotAllowed.status:
        return MethodNotAllowed(f"{request.method} is not allowed on {path}.")
    if error.status_code == NotFound.status:
        return NotFound(f"There is nothing at {path}.")
    return InvalidRequest(str(error.detail))
