"""The rows of the routes that queen and hive have alike: jobs, and what every daemon answers."""

from typing import Any, Final

import msgspec

from rbee.contracts import daemon, jobs, keys, settings
from rbee.errors import (
    BadSettings,
    CapacityError,
    Conflict,
    HiveNotFound,
    InvalidRequest,
    JobNotFound,
    QuotaExceeded,
    RateLimited,
    StorageError,
    TooLarge,
)
from rbee.foundation.http.openapi import OPENAPI_PATH, Events, Kind, Media, Param, Row


class LogLine(msgspec.Struct, kw_only=True):
    """One line of a worker's log, as it is followed; its event's id says where it ends."""

    line: str


LOG_PARAMS: Final = (
    Param(name="lines", about="So many of the last lines.", type=int),
    Param(name="follow", about="1: go on with what is written from now on.", type=int),
    Param(name="offset", about="Go on after so many bytes of it (`X-Rbee-Log-Offset`).", type=int),
)

JOB_EVENTS: Final = Events(
    jobs.JobEvent,
    "One event a message, each with an `id` to resume by (`Last-Event-ID`); the last is `[DONE]`.",
)
_LAST_EVENT_ID: Final = Param(
    name="Last-Event-ID", where="header", about="The last event that was seen: go on after it."
)


_REFUSED: Final = (
    InvalidRequest,
    HiveNotFound,
    TooLarge,
    RateLimited,
    QuotaExceeded,
    CapacityError,
    StorageError,
)


def job_rows(operation: Kind) -> tuple[Row, ...]:
    """The job server's rows, for a server that takes these operations."""
    return (
        Row(
            method="POST",
            path="/v1/jobs",
            summary="Start an operation as a job",
            tag="jobs",
            body=operation,
            answer=jobs.JobAccepted,
            problems=_REFUSED,
        ),
        Row(
            method="GET",
            path="/v1/jobs",
            summary="The jobs, newest first",
            tag="jobs",
            answer=jobs.JobList,
            params=(Param(name="limit", about="So many at most.", type=int),),
            problems=(InvalidRequest,),
        ),
        Row(
            method="GET",
            path="/v1/jobs/{job_id}",
            summary="A job's state",
            tag="jobs",
            answer=jobs.JobRecord,
            problems=(JobNotFound,),
        ),
        Row(
            method="DELETE",
            path="/v1/jobs/{job_id}",
            summary="Cancel a job",
            tag="jobs",
            answer=jobs.JobCancelled,
            problems=(JobNotFound, Conflict),
        ),
        Row(
            method="GET",
            path="/v1/jobs/{job_id}/stream",
            summary="A job's events, from the first or after one that was seen",
            tag="jobs",
            answer=JOB_EVENTS,
            also={204: None},
            params=(_LAST_EVENT_ID,),
            problems=(InvalidRequest, JobNotFound),
        ),
    )


_SESSION_ROWS: Final = (
    Row(
        method="POST",
        path="/v1/session",
        summary="Sign a browser in: a key, for a cookie",
        tag="keys",
        body=keys.SignIn,
        body_optional=True,
        answer=keys.Session,
        problems=(InvalidRequest, TooLarge, RateLimited),
    ),
    Row(
        method="GET",
        path="/v1/session",
        summary="Who this is, and the session's CSRF token",
        tag="keys",
        answer=keys.Session,
    ),
    Row(
        method="DELETE",
        path="/v1/session",
        summary="Sign out",
        tag="keys",
        answer=keys.SignedOut,
    ),
)

SERVER_ROWS: Final = (
    *_SESSION_ROWS,
    Row(
        method="GET",
        path="/health",
        summary="Whether the server is there",
        tag="server",
        answer=daemon.Health,
    ),
    Row(
        method="GET",
        path="/v1/info",
        summary="What this server is",
        tag="server",
        answer=daemon.ServiceInfo,
    ),
    Row(
        method="POST",
        path="/v1/shutdown",
        summary="Stop the server",
        tag="server",
        body=daemon.ShutdownRequest,
        body_optional=True,
        answer=daemon.ShutdownAck,
        problems=(InvalidRequest, TooLarge),
    ),
    Row(
        method="GET",
        path="/metrics",
        summary="Figures for Prometheus",
        tag="server",
        answer=Media("text/plain", "Prometheus' text format, or OpenMetrics if that is asked for."),
    ),
    Row(
        method="GET",
        path="/v1/logs",
        summary="The server's own log",
        tag="server",
        answer=Media("text/plain", "The last lines; `X-Rbee-Log-Offset` numbers the newest."),
        events=Events(LogLine, "With `follow=1`: the last lines, and each one that is written."),
        params=(*LOG_PARAMS, _LAST_EVENT_ID),
        problems=(InvalidRequest,),
    ),
    Row(
        method="GET",
        path=OPENAPI_PATH,
        summary="This document",
        tag="server",
        answer=dict[str, Any],
    ),
    Row(
        method="GET",
        path="/",
        summary="The console",
        tag="server",
        answer=Media("text/html"),
    ),
)

SETTINGS_ROW: Final = Row(
    method="GET",
    path="/v1/settings",
    summary="All settings: what is in force, and where it comes from",
    tag="settings",
    answer=settings.SettingsState,
)

CHANGE_ROW: Final = Row(
    method="PATCH",
    path="/v1/settings",
    summary="Change settings in config.toml: all of it, or nothing",
    tag="settings",
    body=settings.SettingsChange,
    answer=settings.SettingsChanged,
    problems=(InvalidRequest, TooLarge, Conflict, BadSettings, StorageError),
    about="A refusal's `data` has a `RefusedSetting` for each setting that cannot be so.",
)
