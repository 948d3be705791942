"""What the queen passes on from her hives, for the reference: ``/openapi.json`` of the queen.

The routes stand in ``hive_doors``; the hive's own reference describes the same answers.
"""

from typing import Final

from rbee.contracts import daemon, hives, models, settings
from rbee.errors import (
    CapacityError,
    HiveNotFound,
    HiveUnreachable,
    HubError,
    InvalidRequest,
    ModelNotFound,
    RbeeError,
    WorkerNotFound,
)
from rbee.foundation.http.openapi import Events, Media, Param, Row
from rbee.foundation.http.server_rows import LogLine

_TAG: Final = "hives"
_AWAY: Final[tuple[type[RbeeError], ...]] = (HiveNotFound, HiveUnreachable, CapacityError)


DOOR_ROWS: Final[tuple[Row, ...]] = (
    Row(
        method="GET",
        path="/v1/hives/{hive_id}/capabilities",
        summary="A hive's devices, cores, memory and engines",
        tag=_TAG,
        answer=hives.Capabilities,
        params=(Param(name="refresh", about="1: look for devices anew first.", type=int),),
        problems=_AWAY,
    ),
    Row(
        method="GET",
        path="/v1/hives/{hive_id}/engines",
        summary="A hive's engines, and why one cannot be used",
        tag=_TAG,
        answer=hives.EngineList,
        problems=_AWAY,
    ),
    Row(
        method="POST",
        path="/v1/hives/{hive_id}/engines/probe",
        summary="Have a hive try all its engines anew; takes seconds",
        tag=_TAG,
        answer=hives.EngineList,
        problems=_AWAY,
    ),
    Row(
        method="GET",
        path="/v1/hives/{hive_id}/info",
        summary="Who a hive is",
        tag=_TAG,
        answer=daemon.ServiceInfo,
        problems=_AWAY,
    ),
    Row(
        method="GET",
        path="/v1/hives/{hive_id}/settings",
        summary="A hive's settings; they are changed on its machine",
        tag=_TAG,
        answer=settings.SettingsState,
        problems=_AWAY,
    ),
    Row(
        method="GET",
        path="/v1/hives/{hive_id}/models/search",
        summary="What the hub has, as a hive finds it",
        tag=_TAG,
        answer=models.ModelSearch,
        params=(
            Param(name="q", about="Words to look for."),
            Param(name="limit", about="So many at most.", type=int),
            Param(name="fit", about="1: with the hive's verdict on each file.", type=int),
        ),
        problems=(InvalidRequest, HubError, *_AWAY),
    ),
    Row(
        method="GET",
        path="/v1/hives/{hive_id}/models/offer",
        summary="What a name would bring to a hive",
        tag=_TAG,
        answer=models.Model,
        params=(Param(name="model", about="The model's name.", required=True),),
        problems=(InvalidRequest, ModelNotFound, HubError, *_AWAY),
    ),
    Row(
        method="GET",
        path="/v1/hives/{hive_id}/workers/{worker_id}/logs",
        summary="The log of a hive's worker",
        tag=_TAG,
        answer=Media("text/plain", "The last lines; `X-Rbee-Log-Offset` says where they end."),
        events=Events(LogLine, "With `follow=1`: the last lines, and each one that is written."),
        params=(
            Param(name="lines", about="So many of the last lines.", type=int),
            Param(name="follow", about="1: go on with what is written from now on.", type=int),
            Param(name="offset", about="Follow from this byte instead of a tail.", type=int),
        ),
        problems=(InvalidRequest, WorkerNotFound, *_AWAY),
    ),
    Row(
        method="GET",
        path="/v1/hives/{hive_id}/logs",
        summary="A hive's own log",
        tag=_TAG,
        answer=Media("text/plain", "The last lines; `X-Rbee-Log-Offset` numbers the newest."),
        events=Events(LogLine, "With `follow=1`: the last lines, and each one that is written."),
        params=(
            Param(name="lines", about="So many of the last lines.", type=int),
            Param(name="follow", about="1: go on with what is written from now on.", type=int),
            Param(name="offset", about="Follow after this line's number.", type=int),
        ),
        problems=(InvalidRequest, *_AWAY),
    ),
)
"""The doors that stand in ``hive_doors``."""
