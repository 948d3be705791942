"""The rows of the reference about hives: what they ask themselves, and what operators do with them."""

from typing import Final

from rbee.contracts import daemon, hives, installing, joining, sharing
from rbee.errors import (
    CapacityError,
    Conflict,
    HiveNotFound,
    HiveUnreachable,
    InvalidRequest,
    NotFound,
    RateLimited,
    StorageError,
    TooLarge,
)
from rbee.foundation.http.openapi import Media, Param, Row

_OWN_ROWS: Final = (
    Row(
        method="POST",
        path="/v1/hive-heartbeat",
        summary="A hive's beat, every second",
        tag="hives' own",
        body=hives.Heartbeat,
        answer=hives.HeartbeatAck,
        problems=(InvalidRequest, TooLarge),
    ),
    Row(
        method="POST",
        path="/v1/hive/ready",
        summary="A hive is there",
        tag="hives' own",
        body=hives.HiveReady,
        answer=hives.HiveReadyAck,
        problems=(InvalidRequest, TooLarge),
    ),
    Row(
        method="GET",
        path="/v1/hive/link",
        summary="A hive's link: a WebSocket",
        tag="hives' own",
        status=101,
        problems=(InvalidRequest,),
    ),
    Row(
        method="GET",
        path="/v1/hive/ca",
        summary="The colony's CA certificate",
        tag="hives' own",
        answer=joining.ColonyCa,
    ),
    Row(
        method="POST",
        path="/v1/hive/join",
        summary="Join the colony, with a token or by an operator's approval",
        tag="hives' own",
        body=joining.JoinRequest,
        answer=joining.JoinAnswer,
        also={202: joining.JoinAnswer},
        problems=(InvalidRequest, TooLarge, RateLimited, Conflict, StorageError),
    ),
    Row(
        method="POST",
        path="/v1/hive/renew",
        summary="Renew a hive's certificate",
        tag="hives' own",
        body=joining.RenewRequest,
        answer=joining.JoinAnswer,
        problems=(InvalidRequest, TooLarge, RateLimited, StorageError),
    ),
    Row(
        method="POST",
        path="/v1/hive/models/seek",
        summary="Ask which hives have a model",
        tag="hives' own",
        body=sharing.ModelSeek,
        answer=sharing.ModelSources,
        problems=(InvalidRequest, TooLarge),
    ),
    Row(
        method="GET",
        path="/v1/hives/{hive_id}/models/files/{sha256}",
        summary="A model's file of a hive that the asker cannot reach",
        tag="hives' own",
        answer=Media("application/octet-stream"),
        also={206: Media("application/octet-stream", "A range of it.")},
        params=(Param(name="x-rbee-ticket", where="header", about="Leave to read this file."),),
        problems=(InvalidRequest, HiveNotFound, HiveUnreachable, CapacityError),
    ),
)

_MEMBER_ROWS: Final = (
    Row(
        method="GET",
        path="/v1/hives",
        summary="The colony's hives and how they belong to it",
        tag="hives",
        answer=joining.Members,
    ),
    Row(
        method="POST",
        path="/v1/hives/{hive_id}/revoke",
        summary="Shut a hive out: its certificate counts no more",
        tag="hives",
        answer=joining.MemberAck,
        problems=(InvalidRequest, HiveNotFound, StorageError),
    ),
    Row(
        method="GET",
        path="/v1/join-requests",
        summary="Hives that wait for approval",
        tag="hives",
        answer=joining.JoinRequests,
    ),
    *(
        Row(
            method="POST",
            path=f"/v1/join-requests/{{name}}/{verb}",
            summary=summary,
            tag="hives",
            body=joining.JoinDecision,
            body_optional=True,
            answer=joining.MemberAck,
            problems=(InvalidRequest, TooLarge, NotFound, Conflict, StorageError),
            path_params={"name": "The hive's id, or the code that it shows."},
        )
        for verb, summary in (("approve", "Let a hive in"), ("reject", "Send a hive away"))
    ),
    Row(
        method="GET",
        path="/v1/join-tokens",
        summary="Open join tokens, without what makes them tokens",
        tag="hives",
        answer=joining.JoinTokens,
    ),
    Row(
        method="POST",
        path="/v1/join-tokens",
        summary="Make a join token; it is shown this once",
        tag="hives",
        body=joining.JoinTokenWish,
        body_optional=True,
        answer=joining.NewJoinToken,
        problems=(InvalidRequest, TooLarge, Conflict, StorageError),
    ),
    Row(
        method="DELETE",
        path="/v1/join-tokens/{token_id}",
        summary="Take a join token back",
        tag="hives",
        answer=joining.MemberAck,
        problems=(StorageError,),
    ),
)

_CARE_ROWS: Final = (
    Row(
        method="GET",
        path="/v1/hive-install",
        summary="Whether the queen installs hives over SSH, and by which key",
        tag="hives",
        answer=installing.HiveInstallState,
    ),
    Row(
        method="POST",
        path="/v1/hives/{hive_id}/stop",
        summary="Stop a hive",
        tag="hives",
        body=daemon.ShutdownRequest,
        body_optional=True,
        answer=daemon.ShutdownAck,
        problems=(InvalidRequest, TooLarge, HiveNotFound, HiveUnreachable),
    ),
    Row(
        method="DELETE",
        path="/v1/hives/{hive_id}",
        summary="Forget a hive that is gone",
        tag="hives",
        answer=joining.MemberAck,
        problems=(Conflict, HiveNotFound, StorageError),
    ),
)

HIVE_ROWS: Final[tuple[Row, ...]] = (*_MEMBER_ROWS, *_CARE_ROWS, *_OWN_ROWS)
"""All of them."""
