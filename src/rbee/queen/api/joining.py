"""The door of joining: hives come in without a key here, operators decide with theirs.

``/v1/hive/ca`` and ``/v1/hive/join`` are open, because who joins has nothing to show yet:
their bodies are small, tries are counted by address, and everything in them is
untrusted. ``/v1/hive/renew`` is for a hive's certificate, the rest for operators
(``api.access``). Who may be in is decided in ``queen.joining``.
"""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rbee.contracts.decode import decode_json
from rbee.contracts.joining import (
    ColonyCa,
    JoinDecision,
    JoinRequest,
    JoinRequests,
    JoinTokens,
    JoinTokenWish,
    Member,
    MemberAck,
    Members,
    RenewRequest,
)
from rbee.contracts.principals import Principal
from rbee.errors import Forbidden
from rbee.foundation.http.answers import answer
from rbee.foundation.http.body import read_body
from rbee.foundation.http.gate import PRINCIPAL
from rbee.queen.joining.office import Office
from rbee.queen.registry.colony import Colony

_BYTES_MAX: Final = 16 * 1024  # a signing request has 400 bytes, a token 128


def joining_routes(office: Office, colony: Colony) -> list[Route]:
    """Everything under ``/v1/hive/{ca,join,renew}``, ``/v1/join-*`` and ``/v1/hives``."""
    return [*_hive_routes(office), *_operator_routes(office), *_member_routes(office, colony)]


def _hive_routes(office: Office) -> list[Route]:
    async def ca(_request: Request) -> Response:
        return answer(ColonyCa(certificate=office.authority.pem.decode("ascii")))

    async def join(request: Request) -> Response:
        address = request.client.host if request.client else ""
        office.knock(address)
        asked = decode_json(await read_body(request, bytes_max=_BYTES_MAX), JoinRequest)
        found = await office.join(asked, address)
        return answer(found, status=202 if found.status == "pending" else 200)

    async def renew(request: Request) -> Response:
        hive_id = _principal(request).hive_id
        if hive_id is None:
            raise Forbidden(
                "Only a hive that shows its certificate can renew it.",
                remedy="A hive renews by itself; one whose certificate expired joins again.",
            )
        office.knock(hive_id)
        asked = decode_json(await read_body(request, bytes_max=_BYTES_MAX), RenewRequest)
        return answer(await office.renew(hive_id, asked.request))

    return [
        Route("/v1/hive/ca", ca, methods=["GET"]),
        Route("/v1/hive/join", join, methods=["POST"]),
        Route("/v1/hive/renew", renew, methods=["POST"]),
    ]


def _operator_routes(office: Office) -> list[Route]:
    async def tokens(_request: Request) -> Response:
        return answer(JoinTokens(tokens=office.tokens()))

    async def new_token(request: Request) -> Response:
        body = await read_body(request, bytes_max=_BYTES_MAX)
        wish = decode_json(body, JoinTokenWish) if body.strip() else JoinTokenWish()
        return answer(await office.new_token(wish, _principal(request).name))

    async def drop_token(request: Request) -> Response:
        token_id = str(request.path_params["token_id"])
        known = await office.drop_token(token_id)
        message = "Nobody can use it now." if known else "There is no such token (any more)."
        return answer(MemberAck(status="revoked", id=token_id, message=message))

    async def requests(_request: Request) -> Response:
        found = JoinRequests(
            requests=office.requests(),
            ca_fingerprint=office.authority.fingerprint,
            urls=office.urls,
        )
        return answer(found)

    async def approve(request: Request) -> Response:
        name, code, by = await _decision(request)
        hive_id = await office.approve(name, code, by)
        return answer(
            MemberAck(
                status="approved",
                id=hive_id,
                message=f"{hive_id} gets its certificate within a few seconds.",
            )
        )

    async def reject(request: Request) -> Response:
        name, code, by = await _decision(request)
        hive_id = office.reject(name, code, by)
        return answer(
            MemberAck(status="rejected", id=hive_id, message="It may ask again in an hour.")
        )

    return [
        Route("/v1/join-tokens", tokens, methods=["GET"]),
        Route("/v1/join-tokens", new_token, methods=["POST"]),
        Route("/v1/join-tokens/{token_id}", drop_token, methods=["DELETE"]),
        Route("/v1/join-requests", requests, methods=["GET"]),
        Route("/v1/join-requests/{name}/approve", approve, methods=["POST"]),
        Route("/v1/join-requests/{name}/reject", reject, methods=["POST"]),
    ]


def _member_routes(office: Office, colony: Colony) -> list[Route]:
    async def members(_request: Request) -> Response:
        return answer(Members(hives=_members(office, colony)))

    async def revoke(request: Request) -> Response:
        hive_id = str(request.path_params["hive_id"])
        await office.revoke(hive_id, _principal(request).name)
        return answer(
            MemberAck(
                status="revoked", id=hive_id, message="Its certificate counts no more, as of now."
            )
        )

    return [
        Route("/v1/hives", members, methods=["GET"]),
        Route("/v1/hives/{hive_id}/revoke", revoke, methods=["POST"]),
    ]


def _members(office: Office, colony: Colony) -> list[Member]:
    """Those that joined, and those that only beat; by name."""
    rows = {
        row.hive_id: Member(
            hive_id=row.hive_id,
            membership="certificate" if row.revoked_at is None else "revoked",
            hostname=row.hostname or None,
            joined_at=row.joined_at,
            joined_by=row.joined_by,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
        )
        for row in office.members()
    }
    for view in colony.hives():
        row = rows.setdefault(str(view.id), Member(hive_id=str(view.id), membership="open"))
        row.state = view.state
        row.url = view.url
        if view.info is not None:
            row.hostname = view.info.hostname
    return sorted(rows.values(), key=lambda row: row.hive_id)


async def _decision(request: Request) -> tuple[str, str | None, str]:
    body = await read_body(request, bytes_max=_BYTES_MAX)
    decision = decode_json(body, JoinDecision) if body.strip() else JoinDecision()
    return str(request.path_params["name"]), decision.code, _principal(request).name


def _principal(request: Request) -> Principal:
    return request.scope[PRINCIPAL]
