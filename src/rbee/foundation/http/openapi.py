"""What a server's API looks like, as an OpenAPI 3.1 document made from its own types.

A room declares each of its routes once, as a ``Row`` (``api/reference``): what it takes, what it
answers, what can go wrong. The schemas come from the msgspec structs that really decode and encode
the bytes, who may ask comes from the room's ``api/access``: nothing is written twice, so nothing
can drift. Pure but for the one route at the end; a test holds the rows against the real routes,
and ``make api`` makes the console's types of the document.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import Any, Final, Literal, TypeAlias

import anyio
import anyio.to_thread
import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rbee import __version__
from rbee.contracts.daemon import Problem
from rbee.contracts.openai import ErrorEnvelope
from rbee.contracts.principals import Scope
from rbee.errors import Forbidden, InvalidApiKey, RbeeError
from rbee.foundation.http.gate import OPEN
from rbee.foundation.http.schemas import Json, Schemas
from rbee.foundation.http.sessions import COOKIE, CSRF_HEADER

OPENAPI_PATH: Final = "/openapi.json"

Kind: TypeAlias = Any
"""A struct, or anything else that msgspec describes: ``list[Model]``, a union."""

Errors: TypeAlias = Literal["control", "openai", "anthropic"]
"""In whose words a route refuses: ``foundation.http.problems``, and the queen's ``dialects``."""

Methods: TypeAlias = Literal["GET", "POST", "PATCH", "PUT", "DELETE"]

_PATH_PARAM: Final = re.compile(r"\{(\w+)(?::\w+)?\}")
_WORDS: Final = re.compile(r"\W+")
_EXAMPLE: Final = "x"
_SECURITY: Final[Json] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key of the colony."},
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Api-Key",
        "description": "A key of the colony, as Anthropic's clients send it.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "A browser that signed in (POST /v1/session). All that changes something "
        f"wants {CSRF_HEADER} too.",
    },
}


class Param(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter in the query or a header. Those in the path are found in the path."""

    name: str
    about: str
    type: Kind = str
    where: Literal["query", "header"] = "query"
    required: bool = False


class Events(msgspec.Struct, frozen=True):
    """An answer of server-sent events; ``data`` of each is one of ``type`` in JSON."""

    type: Kind
    about: str = "Server-sent events."


class Media(msgspec.Struct, frozen=True):
    """An answer, or a body, that is no JSON."""

    type: str
    about: str = ""


class AnthropicError(msgspec.Struct, kw_only=True):
    """An error as Anthropic's clients read it."""

    type: Literal["error"]
    error: dict[str, Any]
    request_id: str


_ERROR_KINDS: Final[dict[Errors, Kind]] = {
    "control": Problem,
    "openai": ErrorEnvelope,
    "anthropic": AnthropicError,
}


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One method on one path.

    ``body`` and ``answer`` are types, or ``Media``/``Events``; no ``answer`` is one without a
    body. ``events`` is what the same answer is as a stream, where the request may ask for one.
    ``also`` are further good answers by their status. ``problems`` name what this route
    refuses besides what every route may (no key, not this key, a fault of ours).
    """

    method: Methods
    path: str
    summary: str
    tag: str
    body: Kind = None
    body_optional: bool = False
    answer: Kind = None
    events: Events | None = None
    status: int = 200
    also: Mapping[int, Kind] = msgspec.field(default_factory=dict[int, Kind])
    params: tuple[Param, ...] = ()
    problems: tuple[type[RbeeError], ...] = ()
    errors: Errors = "control"
    about: str = ""
    path_params: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])
    """What a name in the path is, where that does not say itself."""

    @property
    def clean_path(self) -> str:
        """The path without the router's converters: ``{model:path}`` is ``{model}``."""
        return _PATH_PARAM.sub(r"{\1}", self.path)


Needs: TypeAlias = Callable[[str, str], frozenset[Scope]]


def document(
    rows: Iterable[Row],
    needs: Needs,
    *,
    title: str,
    about: str,
    extra: Iterable[Kind] = (),
) -> Json:
    """The whole document.

    ``needs`` says from method and path who may ask. ``extra`` are types that stand in no answer
    as such, but in something that it carries: events and their ``data``.
    """
    rows = list(rows)
    schemas = Schemas(
        taken=[row.body for row in rows if _is_type(row.body)]
        + [param.type for row in rows for param in row.params],
        given=[
            kind
            for row in rows
            for kind in map(_told, (row.answer, row.events, *row.also.values()))
            if kind
        ]
        + [*extra, *_ERROR_KINDS.values()],
    )
    paths: Json = {}
    shared: Json = {}
    for row in rows:
        methods = paths.setdefault(row.clean_path, {})
        methods[row.method.lower()] = _operation(row, needs, schemas, shared)
    found = {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": __version__,
            "description": about,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in dict.fromkeys(row.tag for row in rows)],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "responses": dict(sorted(shared.items())),
            "securitySchemes": _SECURITY,
        },
    }
    # As it is read back: no tuples among the defaults, and nothing that two rows share.
    return msgspec.json.decode(msgspec.json.encode(found))


def fingerprint(found: Json) -> str:
    """What changes when the API does, and not with each version: a SHA-256 in hex."""
    info = {key: value for key, value in found["info"].items() if key != "version"}
    return sha256(msgspec.json.encode({**found, "info": info}, order="deterministic")).hexdigest()


def openapi_route(make: Callable[[], Json]) -> Route:
    """``GET /openapi.json``; the document is made when it is asked for first.

    That takes a third of a second, so it is made beside the loop.
    """
    made: list[bytes] = []
    one_maker = anyio.Lock()

    async def openapi(_request: Request) -> Response:
        async with one_maker:
            if not made:
                made.append(await anyio.to_thread.run_sync(lambda: msgspec.json.encode(make())))
        return Response(
            made[0], media_type="application/json", headers={"cache-control": "no-cache"}
        )

    return Route(OPENAPI_PATH, openapi, methods=["GET"])


# ── one operation ────────────────────────────────────────────────────────────


def _operation(row: Row, needs: Needs, schemas: Schemas, shared: Json) -> Json:
    scopes = needs(row.method, _PATH_PARAM.sub(_EXAMPLE, row.path))
    found: Json = {
        "operationId": _operation_id(row),
        "tags": [row.tag],
        "summary": row.summary,
        "responses": _responses(row, schemas, shared, open_=scopes == OPEN),
        # `local`: without a colony key, programs on this machine need none.
        "security": [{}] if scopes == OPEN else [{"bearer": []}, {"apiKey": []}, {"session": []}],
        "x-rbee-scopes": sorted(scopes | {"operator"}) if scopes != OPEN else ["open"],
    }
    if row.about:
        found["description"] = row.about
    parameters = [*_path_parameters(row), *(_parameter(param, schemas) for param in row.params)]
    if parameters:
        found["parameters"] = parameters
    if row.body is not None:
        found["requestBody"] = {
            "required": not row.body_optional,
            "content": _content(row.body, schemas, taken=True),
        }
    return found


def _operation_id(row: Row) -> str:
    words = [word for word in _WORDS.split(row.clean_path) if word]
    return "_".join([row.method.lower(), *words])


def _path_parameters(row: Row) -> list[Json]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1},
            **({"description": row.path_params[name]} if name in row.path_params else {}),
        }
        for name in _PATH_PARAM.findall(row.path)
    ]


def _parameter(param: Param, schemas: Schemas) -> Json:
    return {
        "name": param.name,
        "in": param.where,
        "description": param.about,
        "required": param.required,
        "schema": schemas.of(param.type, taken=True),
    }


def _responses(row: Row, schemas: Schemas, shared: Json, *, open_: bool) -> Json:
    found: Json = {str(row.status): _good(row.answer, schemas)}
    if row.events is not None:
        found[str(row.status)]["content"] |= _content(row.events, schemas, taken=False)
    for status, kind in row.also.items():
        found[str(status)] = _good(kind, schemas)
    usual: tuple[type[RbeeError], ...] = (Forbidden,) if open_ else (InvalidApiKey, Forbidden)
    codes: dict[int, list[str]] = {}
    for problem in (*usual, *row.problems):
        listed = codes.setdefault(problem.status, [])
        if problem.code not in listed:
            listed.append(problem.code)
    words = {"application/json": {"schema": schemas.of(_ERROR_KINDS[row.errors], taken=False)}}

    def refusal(status: str, name: str, about: str) -> None:
        shared[name] = {"description": about, "content": words}
        found[status] = {"$ref": f"#/components/responses/{name}"}

    for status in sorted(codes):
        about = "code: " + ", ".join(f"`{code}`" for code in codes[status])
        refusal(str(status), "_".join([row.errors, str(status), *codes[status]]), about)
    about = "Any other error, in the same words: its `code` is for programs."
    refusal("default", f"{row.errors}_other", about)
    return found


def _good(kind: Kind, schemas: Schemas) -> Json:
    if kind is None:
        return {"description": "Done; there is no body."}
    about = kind.about if isinstance(kind, (Events, Media)) and kind.about else "As asked for."
    return {"description": about, "content": _content(kind, schemas, taken=False)}


def _content(kind: Kind, schemas: Schemas, *, taken: bool) -> Json:
    match kind:
        case Media(media):
            return {media: {"schema": {"type": "string"}}}
        case Events(data):
            each: Json = {"type": "string", "contentMediaType": "application/json"}
            each["contentSchema"] = schemas.of(data, taken=False)
            return {"text/event-stream": {"schema": each}}
        case _:
            return {"application/json": {"schema": schemas.of(kind, taken=taken)}}


def _is_type(kind: Kind) -> bool:
    return kind is not None and not isinstance(kind, (Media, Events))


def _told(kind: Kind) -> Kind:
    """The type inside an answer, if it has one."""
    if isinstance(kind, Events):
        return kind.type
    return kind if _is_type(kind) else None
