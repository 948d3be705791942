"""Every route of the queen, declared once: ``GET /openapi.json`` is made of these rows.

A route without a row, or a row without a route, fails ``tests/wire/test_reference.py``; then
``make api`` makes the console's types anew. Who may ask stands in ``api/access`` and nowhere else.
Printed by ``python -m rbee.queen.api.reference``.
"""

import sys
from functools import cache
from typing import Final

import msgspec

from rbee.contracts import (
    hives,
    jobs,
    keys,
    models,
    plan,
    settings,
    state,
    status,
    why,
    worker_details,
    workers,
)
from rbee.errors import (
    CapacityError,
    Conflict,
    HiveNotFound,
    InvalidRequest,
    JobNotFound,
    KeyNotFound,
    ModelNotFound,
    StorageError,
    TooLarge,
)
from rbee.foundation.http.openapi import Events, Json, Param, Row, document
from rbee.foundation.http.server_rows import CHANGE_ROW, SERVER_ROWS, SETTINGS_ROW, job_rows
from rbee.queen.api.access import scopes_for
from rbee.queen.api.reference_doors import DOOR_ROWS
from rbee.queen.api.reference_hives import HIVE_ROWS
from rbee.queen.api.reference_models import MODEL_ROWS
from rbee.queen.api.reference_state import STATE_ROWS, STATE_TABLES

TITLE: Final = "rbee queen"
ABOUT: Final = (
    "One private AI endpoint of many machines: models under OpenAI's and Anthropic's APIs, "
    "jobs and their events, hives, keys and settings. docs/wire.md is the same in prose."
)

CARRIED: Final = (
    settings.RefusedSetting,
    workers.WorkerProcess,
    worker_details.WorkerDetails,
    models.Model,
    models.DownloadProgress,
    models.ModelSearch,
    hives.Capabilities,
    status.HiveRow,
    status.WorkerRow,
    status.StatusComplete,
    status.InferQueued,
    status.InferSpawning,
    status.InferSelected,
    status.InferComplete,
    status.InferResumed,
    *STATE_TABLES,
)
"""What events carry as ``data``, and what a hive answers through the queen."""


_KEY_ROWS: Final = (
    Row(
        method="GET",
        path="/v1/keys",
        summary="All keys, never the keys themselves",
        tag="keys",
        answer=keys.KeyList,
        problems=(StorageError, CapacityError),
    ),
    Row(
        method="POST",
        path="/v1/keys",
        summary="Make a key; it is shown this once",
        tag="keys",
        body=keys.KeyWish,
        answer=keys.KeyMade,
        status=201,
        problems=(InvalidRequest, TooLarge, Conflict, StorageError, CapacityError),
    ),
    Row(
        method="DELETE",
        path="/v1/keys/{key}",
        summary="Have a key refused from now on",
        tag="keys",
        answer=keys.KeyRevoked,
        problems=(KeyNotFound, Conflict, StorageError, CapacityError),
        path_params={"key": "Its id or its name."},
    ),
)

_LOOKING_ROWS: Final = (
    Row(
        method="GET",
        path="/v1/plan",
        summary="What a request for a model would lead to, without doing it",
        tag="colony",
        answer=plan.Plan,
        params=(
            Param(name="model", about="The model's name.", required=True),
            Param(name="hive_id", about="Plan for this hive alone."),
        ),
        problems=(InvalidRequest, ModelNotFound, HiveNotFound),
    ),
    Row(
        method="GET",
        path="/v1/jobs/{job_id}/why",
        summary="Why a request went where it went",
        tag="colony",
        answer=why.Why,
        problems=(JobNotFound,),
    ),
    Row(
        method="GET",
        path="/v1/requests",
        summary="The requests that wait or run, and the last that ended",
        tag="colony",
        answer=state.RequestList,
    ),
    Row(
        method="DELETE",
        path="/v1/requests/{request_id}",
        summary="Cancel anybody's request; its client is told that an operator did",
        tag="colony",
        answer=jobs.JobCancelled,
        problems=(JobNotFound, StorageError),
    ),
    Row(
        method="GET",
        path="/v1/heartbeats/stream",
        summary="The hives' figures, each second",
        tag="colony",
        answer=Events(hives.HiveTelemetry | hives.QueenTelemetry),
    ),
)

ROWS: Final[tuple[Row, ...]] = (
    *SERVER_ROWS,
    SETTINGS_ROW,
    CHANGE_ROW,
    *job_rows(jobs.Operation),
    *_LOOKING_ROWS,
    *STATE_ROWS,
    *HIVE_ROWS,
    *DOOR_ROWS,
    *_KEY_ROWS,
    *MODEL_ROWS,
)
"""Every route of the queen."""


@cache
def queen_document() -> Json:
    """The queen's OpenAPI document."""
    return document(ROWS, scopes_for, title=TITLE, about=ABOUT, extra=CARRIED)


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(queen_document()), indent=2))
