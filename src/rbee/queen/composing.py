"""The queen's HTTP side put together: the routes, the gate before them, the doors before that.

The order of what a request meets: the console's files, which are open; the gate (Host, Origin,
key); the doors to models, which stand in front of Starlette because they are the hot path; the
control plane's routes.
"""

from typing import Final

import msgspec
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from rbee.errors import RbeeError
from rbee.foundation.daemon import Daemon
from rbee.foundation.http.answers import health_route, not_yet_routes
from rbee.foundation.http.gate import Gate, Policy
from rbee.foundation.http.jobs_api import job_routes
from rbee.foundation.http.log_api import log_routes
from rbee.foundation.http.openapi import openapi_route
from rbee.foundation.http.problems import as_problem, make_problem_response
from rbee.foundation.http.session_api import session_routes
from rbee.foundation.http.settings_api import settings_routes
from rbee.foundation.jobserver import JobServer
from rbee.foundation.metrics import metrics_route
from rbee.foundation.settings_book import SettingsBook
from rbee.queen.api.console import with_console, with_worker_pages
from rbee.queen.api.control import control_routes
from rbee.queen.api.dialects import dialect_of
from rbee.queen.api.dialects import render as in_dialect
from rbee.queen.api.heartbeats import heartbeat_routes
from rbee.queen.api.hive_care import hive_care_routes
from rbee.queen.api.joining import joining_routes
from rbee.queen.api.keys import key_routes
from rbee.queen.api.not_yet import LINES
from rbee.queen.api.openai import OpenAIDoor
from rbee.queen.api.plan import plan_routes
from rbee.queen.api.reference import queen_document
from rbee.queen.api.requests import request_routes
from rbee.queen.api.sharing import sharing_routes
from rbee.queen.api.state import state_routes
from rbee.queen.api.why import why_routes
from rbee.queen.inference.plane import Plane
from rbee.queen.installing import HiveInstalls
from rbee.queen.joining.office import Office
from rbee.queen.keys.book import KeyBook
from rbee.queen.lines import HiveLines
from rbee.queen.metrics import Figures
from rbee.queen.operations import Operations
from rbee.queen.reconciler import Reconciler
from rbee.queen.registry.colony import Colony
from rbee.queen.settings import Settings
from rbee.queen.state.publisher import Publisher
from rbee.queen.telemetry import Telemetry

_HTTP: Final = "http"


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What the routes reach."""

    daemon: Daemon
    policy: Policy
    door: OpenAIDoor
    jobs: JobServer
    operations: Operations
    colony: Colony
    reconciler: Reconciler
    telemetry: Telemetry
    plane: Plane
    lines: HiveLines
    office: Office
    installs: HiveInstalls
    keys: KeyBook
    state: Publisher
    figures: Figures
    settings: SettingsBook[Settings]


def control_plane(parts: Parts) -> Starlette:
    """All routes but the doors to models; each has its row in ``api.reference``."""
    respond = make_problem_response(render)
    return Starlette(
        routes=[
            health_route(),
            *control_routes(
                parts.daemon,
                has_key=parts.policy.locked,
                auto_download=lambda: parts.settings.running.auto_download,
            ),
            metrics_route("queen", parts.figures),
            openapi_route(queen_document),
            *not_yet_routes(LINES),
            *why_routes(parts.plane.ledger),
            *request_routes(parts.plane, parts.jobs),
            *log_routes(),
            *job_routes(parts.jobs, parts.operations.submit),
            *heartbeat_routes(parts.colony, parts.telemetry, parts.office.check_speaker),
            *state_routes(parts.state),
            *joining_routes(parts.office, parts.colony),
            *hive_care_routes(parts.office, parts.colony, parts.lines, parts.installs),
            *plan_routes(parts.colony, parts.reconciler, parts.lines),
            *key_routes(parts.keys),
            *session_routes(parts.policy.keyring),
            *settings_routes(parts.settings),
            *sharing_routes(parts.colony, parts.lines),
        ],
        exception_handlers={RbeeError: respond, 404: respond, 405: respond, Exception: respond},
    )


def compose(parts: Parts, control: ASGIApp) -> ASGIApp:
    """The whole app around the control plane."""
    paged = with_worker_pages(_front(parts.door, control), parts.daemon, parts.colony, parts.lines)
    gated = Gate(paged, parts.policy, render)
    return with_console(gated, parts.policy, parts.daemon, parts.colony)


def render(error: RbeeError, path: str) -> bytes:
    """An error in the words of the path's own API."""
    dialect = dialect_of(path)
    return as_problem(error) if dialect is None else in_dialect(error, dialect)


def _front(door: OpenAIDoor, control: ASGIApp) -> ASGIApp:
    """The door for its own paths, the control plane for the rest."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == _HTTP and door.handles(scope["path"]):
            await door(scope, receive, send)
        else:
            await control(scope, receive, send)

    return app
