"""``/v1/session``: a browser signs in with a key and holds a cookie from then on.

The key is sent once and kept by no page; the cookie cannot be read by one. Attempts are
counted by address before the key is looked at. Queen and hive have it alike. Sessions live in ``foundation.http.sessions``,
where the gate finds them.
"""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rbee.contracts.decode import decode_json
from rbee.contracts.keys import Session, SignedOut, SignIn
from rbee.contracts.principals import LOCAL, Principal
from rbee.errors import InvalidApiKey
from rbee.foundation.http.answers import answer
from rbee.foundation.http.body import read_body
from rbee.foundation.http.gate import PRINCIPAL
from rbee.foundation.http.keys import Keyring
from rbee.foundation.http.sessions import SESSION_S, SignedIn

_SIGN_IN_BYTES_MAX: Final = 4096  # one key
_KEY_HEADERS: Final = (b"authorization", b"x-api-key")
_NOWHERE: Final = "unknown"  # a connection without an address: a local socket


def session_routes(keyring: Keyring) -> list[Route]:
    """``POST``, ``GET`` and ``DELETE /v1/session``."""
    sessions = keyring.sessions

    async def sign_in(request: Request) -> Response:
        sessions.check_rate(_NOWHERE if request.client is None else request.client.host)
        headers = _headers(request)
        body = await read_body(request, bytes_max=_SIGN_IN_BYTES_MAX)
        if body.strip():
            principal = keyring.whose(decode_json(body, SignIn).key.strip().encode())
        elif any(name in headers for name in _KEY_HEADERS):
            principal = keyring.find(headers)
        else:  # a cookie is not enough: a session would renew itself for ever
            raise InvalidApiKey("Signing in wants a key.", remedy='Send {"key": "…"}.')
        sessions.end(headers)
        value, session = sessions.begin(principal)
        found = answer(_about(principal, session))
        _set_cookie(found, request, sessions.cookie, value, SESSION_S)
        return found

    async def look(request: Request) -> Response:
        principal: Principal = request.scope.get(PRINCIPAL, LOCAL)
        session = sessions.look(_headers(request))
        if session is not None and session.principal.id != principal.id:
            session = None  # a key came too, and it is the key that counts
        return answer(_about(principal, session))

    async def sign_out(request: Request) -> Response:
        found = answer(SignedOut(signed_out=sessions.end(_headers(request))))
        _set_cookie(found, request, sessions.cookie, "", 0)
        return found

    return [
        Route("/v1/session", sign_in, methods=["POST"]),
        Route("/v1/session", look, methods=["GET"]),
        Route("/v1/session", sign_out, methods=["DELETE"]),
    ]


def _about(principal: Principal, session: SignedIn | None) -> Session:
    return Session(
        name=principal.name,
        scopes=["operator"] if principal.operator else sorted(principal.scopes),
        models=list(principal.models),
        csrf_token=None if session is None else session.csrf_token,
        expires_at=None if session is None else session.expires_at,
    )


def _set_cookie(response: Response, request: Request, name: str, value: str, age_s: float) -> None:
    response.set_cookie(
        name,
        value,
        max_age=int(age_s),
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def _headers(request: Request) -> dict[bytes, bytes]:
    return dict(request.scope["headers"])
