"""Every route of the hive, declared once: ``GET /openapi.json`` is made of these rows.

A route without a row, or a row without a route, fails ``tests/wire/test_reference.py``. Who may
ask stands in ``api/access``. Printed by ``python -m rbee.hive.api.reference``.
"""

import sys
from functools import cache
from typing import Final

import msgspec

from rbee.contracts import hives, jobs, models, sharing, worker_details, workers
from rbee.contracts.sharing import FILES_PATH, TICKET_HEADER
from rbee.errors import (
    HubError,
    InvalidRequest,
    ModelNotFound,
    NotFound,
    TooLarge,
    WorkerNotFound,
)
from rbee.foundation.http.openapi import Events, Json, Media, Param, Row, document
from rbee.foundation.http.server_rows import (
    LOG_PARAMS,
    SERVER_ROWS,
    SETTINGS_ROW,
    LogLine,
    job_rows,
)
from rbee.hive.api.access import scopes_for

TITLE: Final = "rbee hive"
ABOUT: Final = (
    "One machine's devices, models and workers. Clients use the queen; this is for operators, "
    "for the queen, and for the hive's own page. docs/wire.md is the same in prose."
)


_FLAG: Final = int
_ROWS: Final = (
    Row(
        method="GET",
        path="/v1/capabilities",
        summary="Devices, cores, memory and engines",
        tag="machine",
        answer=hives.Capabilities,
        params=(Param(name="refresh", about="1: look for devices anew first.", type=_FLAG),),
    ),
    Row(
        method="GET",
        path="/v1/engines",
        summary="The engines, and why one cannot be used",
        tag="machine",
        answer=hives.EngineList,
    ),
    Row(
        method="POST",
        path="/v1/engines/probe",
        summary="Try all engines anew; takes seconds",
        tag="machine",
        answer=hives.EngineList,
    ),
    Row(
        method="GET",
        path="/v1/workers/{worker_id}/logs",
        summary="A worker's log",
        tag="workers",
        answer=Media("text/plain", "The last lines."),
        events=Events(LogLine, "With `follow=1`: the last lines, and each one that is written."),
        params=LOG_PARAMS,
        problems=(InvalidRequest, WorkerNotFound),
    ),
    Row(
        method="GET",
        path="/v1/models/search",
        summary="What the hub has",
        tag="models",
        answer=models.ModelSearch,
        params=(
            Param(name="q", about="Words to look for."),
            Param(name="limit", about="So many at most.", type=int),
            Param(name="fit", about="1: with this hive's verdict on each file.", type=_FLAG),
        ),
        problems=(InvalidRequest, HubError),
    ),
    Row(
        method="GET",
        path="/v1/models/offer",
        summary="What a name would bring here",
        tag="models",
        answer=models.Model,
        params=(Param(name="model", about="The model's name.", required=True),),
        problems=(InvalidRequest, ModelNotFound, HubError),
    ),
    Row(
        method="POST",
        path="/v1/models/tickets",
        summary="Leave for another hive to read a model's file",
        tag="models",
        body=sharing.TicketAsk,
        answer=sharing.ModelTicket,
        problems=(InvalidRequest, TooLarge, ModelNotFound),
    ),
    Row(
        method="GET",
        path=FILES_PATH + "{sha256}",
        summary="A model's file by its digest, with ranges",
        tag="models",
        answer=Media("application/octet-stream"),
        also={206: Media("application/octet-stream", "A range of it.")},
        params=(Param(name=TICKET_HEADER, where="header", about="Leave to read this file."),),
        problems=(InvalidRequest, NotFound),
    ),
)

ROWS: Final[tuple[Row, ...]] = (*SERVER_ROWS, SETTINGS_ROW, *job_rows(jobs.HiveOperation), *_ROWS)
"""Every route of the hive."""

CARRIED: Final = (workers.WorkerProcess, worker_details.WorkerDetails, models.DownloadProgress)
"""What events carry as ``data``."""


@cache
def hive_document() -> Json:
    """The hive's OpenAPI document."""
    return document(ROWS, scopes_for, title=TITLE, about=ABOUT, extra=CARRIED)


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(hive_document()), indent=2))
