"""Rows of the reference: the state stream and its mirror, and what stands in their tables."""

from typing import Final

from rbee.contracts import hives, joining, state
from rbee.errors import InvalidRequest, NoCapacity
from rbee.foundation.http.openapi import Events, Param, Row

STATE_TABLES: Final = (*state.ROWS, joining.JoinRequestRow)

STATE_ROWS: Final = (
    Row(
        method="GET",
        path="/v1/state/stream",
        summary="The colony as tables: a snapshot, then deltas with ids",
        tag="colony",
        params=(Param(name="last_event_id", about="Go on after this id, as Last-Event-ID does."),),
        answer=Events(state.StateSnapshot | state.StateDelta),
        problems=(NoCapacity,),
    ),
    Row(
        method="GET",
        path="/v1/ws",
        summary="The live streams as a WebSocket's text messages",
        tag="colony",
        params=(
            Param(name="stream", about="heartbeats, or state (then each message has an id)."),
            Param(name="last_event_id", about="Of the state stream: go on after this id."),
        ),
        answer=Events(hives.HiveTelemetry | hives.QueenTelemetry),
        problems=(InvalidRequest, NoCapacity),
    ),
)
