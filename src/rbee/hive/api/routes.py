"""The hive's routes: jobs, capabilities, logs of workers, its own end.

The gate (Host, Origin, key) stands before all of them. Each has a row in ``reference``.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import anyio.to_thread
import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from rbee.console.door import ConsoleDoor
from rbee.console.site import Site
from rbee.contracts.daemon import ServiceInfo, ShutdownAck, ShutdownRequest
from rbee.contracts.decode import decode_json
from rbee.contracts.hives import Capabilities, EngineList
from rbee.contracts.ids import WorkerId
from rbee.contracts.models import ModelSearch
from rbee.errors import InvalidRequest, RbeeError, WorkerNotFound
from rbee.foundation import sse
from rbee.foundation.daemon import Stop
from rbee.foundation.http.answers import answer, health_route
from rbee.foundation.http.body import read_body
from rbee.foundation.http.gate import Gate, Policy, is_known_host
from rbee.foundation.http.jobs_api import SSE_HEADERS, job_routes
from rbee.foundation.http.log_api import log_routes
from rbee.foundation.http.openapi import openapi_route
from rbee.foundation.http.own_pages import OwnPages
from rbee.foundation.http.problems import as_problem, problem_response
from rbee.foundation.http.session_api import session_routes
from rbee.foundation.http.sessions import HIVE_COOKIE
from rbee.foundation.http.settings_api import settings_routes
from rbee.foundation.jobserver import JobServer
from rbee.foundation.metrics import Source, metrics_route
from rbee.foundation.settings_book import SettingsBook
from rbee.hive.api.model_files import TicketDoor, model_file_routes
from rbee.hive.api.reference import hive_document
from rbee.hive.api.worker_pages import WorkerPages
from rbee.hive.models.search import FOUND_DEFAULT
from rbee.hive.operations import Operations
from rbee.hive.settings import HiveSettings
from rbee.hive.sharing.giving import Sharing
from rbee.hive.workers import logs
from rbee.hive.workers.state import StateStore

_DIGITS_MAX = 9  # of a number in a query; each one has a limit far below
_OFFSET_DIGITS_MAX = 18  # of a byte's place in a log; no disk holds more
LOG_OFFSET_HEADER = "X-Rbee-Log-Offset"


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What the routes reach."""

    jobs: JobServer
    operations: Operations
    capabilities: Callable[[], Capabilities]
    detect: Callable[[], Awaitable[object]]
    engines: Callable[[], EngineList]
    try_engines: Callable[[], Awaitable[object]]
    info: Callable[[], ServiceInfo]
    workers: StateStore
    stop: Stop
    search: Callable[[str, int, bool], Awaitable[ModelSearch]]
    """``search(words, limit, fit)``: what the hub offers, with verdicts if ``fit``."""
    metrics: Source
    settings: SettingsBook[HiveSettings]
    sharing: Sharing
    pages: WorkerPages


def make_app(parts: Parts, policy: Policy) -> ASGIApp:
    """The whole server behind its gate."""

    async def capabilities(request: Request) -> Response:
        if request.query_params.get("refresh", "0") in {"1", "true"}:
            await parts.detect()
        return answer(parts.capabilities())

    async def engines(_request: Request) -> Response:
        return answer(parts.engines())

    async def try_engines(_request: Request) -> Response:
        await parts.try_engines()
        return answer(parts.engines())

    async def info(_request: Request) -> Response:
        return answer(parts.info())

    async def shutdown(request: Request) -> Response:
        body = await read_body(request)
        asked = decode_json(body, ShutdownRequest) if body.strip() else ShutdownRequest()
        parts.stop.ask(keep_workers=asked.keep_workers)
        words = "Its workers stay." if asked.keep_workers else "Its workers are stopped first."
        return answer(ShutdownAck(message=f"The hive is stopping. {words}"))

    async def worker_logs(request: Request) -> Response:
        return await _worker_logs(request, parts.workers)

    policy.keyring.sessions.cookie = HIVE_COOKIE
    app = Starlette(
        routes=[
            health_route(),
            *job_routes(parts.jobs, lambda body, _who: parts.operations.submit(parts.jobs, body)),
            Route("/v1/capabilities", capabilities, methods=["GET"]),
            *_source_routes(parts),
            Route("/v1/engines", engines, methods=["GET"]),
            Route("/v1/engines/probe", try_engines, methods=["POST"]),
            Route("/v1/info", info, methods=["GET"]),
            Route("/v1/workers/{worker_id}/logs", worker_logs, methods=["GET"]),
            Route("/v1/shutdown", shutdown, methods=["POST"]),
            *log_routes(),
            *session_routes(policy.keyring),
            metrics_route("hive", parts.metrics),
            *model_file_routes(parts.sharing),
            *settings_routes(parts.settings, changing=False),
            openapi_route(hive_document),
        ],
        exception_handlers={
            RbeeError: problem_response,
            Exception: problem_response,
            404: problem_response,
            405: problem_response,
        },
    )
    return _doors(app, parts, policy)


def _doors(app: ASGIApp, parts: Parts, policy: Policy) -> ASGIApp:
    """What stands before the routes: console, tickets, gate, workers' own pages."""
    paged = OwnPages(app, parts.pages.open, parts.pages.framing)
    gated = Gate(paged, policy, lambda error, _path: as_problem(error))
    return ConsoleDoor(
        TicketDoor(gated, policy, parts.sharing),
        Site("hive"),
        knows=partial(is_known_host, policy),
        base_url=lambda: parts.info().base_url,
        ancestors=parts.pages.framing,
    )


def _source_routes(parts: Parts) -> list[Route]:
    """What sources outside have: a search, and what one name would bring."""

    async def model_search(request: Request) -> Response:
        asked = request.query_params
        limit = _number(request, "limit", FOUND_DEFAULT)
        fit = asked.get("fit", "0") in {"1", "true"}
        return answer(await parts.search(asked.get("q", ""), limit, fit))

    async def model_offer(request: Request) -> Response:
        name = request.query_params.get("model", "").strip()
        if not name:
            raise InvalidRequest("`model` is missing in the query.", param="model")
        return answer(await parts.operations.models.offer(name))

    return [
        Route("/v1/models/search", model_search, methods=["GET"]),
        Route("/v1/models/offer", model_offer, methods=["GET"]),
    ]


async def _worker_logs(request: Request, store: StateStore) -> Response:
    """The tail as text, or with ``follow=1`` the tail and what comes as SSE messages.

    The text says in ``X-Rbee-Log-Offset`` where it ends; ``offset`` follows from there, and
    so does the id of each line that was followed (``Last-Event-ID``).
    """
    path = logs.log_path(_directory(request, store))
    lines = _lines(request)
    if request.query_params.get("follow", "0") in {"1", "true"}:
        return StreamingResponse(
            _followed(path, lines, _offset(request)),
            media_type="text/event-stream",
            headers=SSE_HEADERS,
        )
    found = await anyio.to_thread.run_sync(logs.tail_at, path, lines)
    text = "".join(f"{line}\n" for line in found.lines)
    return PlainTextResponse(text, headers={LOG_OFFSET_HEADER: str(found.offset)})


async def _followed(path: "logs.Path", lines: int, offset: int | None) -> AsyncIterator[bytes]:
    if offset is None:
        found = await anyio.to_thread.run_sync(logs.tail_at, path, lines)
        offset = found.offset
        for line in found.lines:
            yield sse.frame(msgspec.json.encode({"line": line}))
    async for line in logs.follow(path, offset):
        if line.text is None:
            yield sse.KEEP_ALIVE
        else:
            yield sse.frame(msgspec.json.encode({"line": line.text}), event_id=line.offset)


def _offset(request: Request) -> int | None:
    """Where to follow from; None: from the end, after the tail."""
    last = request.headers.get("last-event-id", "").strip()
    if last.isascii() and last.isdigit():
        return int(last[:_OFFSET_DIGITS_MAX])
    if "offset" not in request.query_params:
        return None
    return _number(request, "offset", 0, digits_max=_OFFSET_DIGITS_MAX)


def _directory(request: Request, store: StateStore) -> "logs.Path":
    """The worker's directory; ended workers keep theirs for a while."""
    worker_id: str = request.path_params["worker_id"]
    directory = store.find(WorkerId(worker_id))
    if directory is None:
        raise WorkerNotFound(f"There is no worker {worker_id!r} here.")
    return directory


def _lines(request: Request) -> int:
    return min(_number(request, "lines", logs.LINES_DEFAULT), logs.LINES_MAX)


def _number(request: Request, name: str, default: int, *, digits_max: int = _DIGITS_MAX) -> int:
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdigit()):
        raise InvalidRequest(f"`{name}` is {text!r}, not a number.", param=name)
    return int(text[:digits_max])
