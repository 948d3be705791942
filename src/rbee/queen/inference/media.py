"""URLs in requests: nothing is fetched for a client unless the operator allows it.

Engines fetch an ``image_url`` by themselves, from inside the colony's network, with
whatever address the client wrote. So a request that may name one is read here before any
worker sees it: ``data:`` URLs pass, others are refused, or, for ``media_hosts``, fetched by
the queen (``foundation.http.guarded``) and put in as ``data:``. ``may_name`` is the search
that all requests pay for; only what it finds is parsed.
"""

import base64
import re
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any, Final, TypeAlias, cast

import anyio.to_thread
import msgspec

from rbee.errors import InvalidRequest
from rbee.foundation.http.guarded import Fetched, fetch

URLS_MAX: Final = 16  # of one request: a long chat about pictures
BYTES_MAX: Final = 8 * 1024 * 1024  # of one: as base64 three of them fill the largest body
WITHIN_S: Final = 10.0  # for one: the client waits, and its own patience is a minute at most
_IN_THREAD_BYTES: Final = 256 * 1024  # parsing more stops everybody else's events for over 1 ms

_MARK: Final = b'url"'
_ESCAPE: Final = b"\\u00"
_HIDDEN: Final = re.compile(rb"\\u00[2-7]")  # a letter that is written as an escape
_KINDS: Final = frozenset({"image", "audio", "video", "file", "document"})
_NOT_CONTENT: Final = frozenset({"tools", "functions", "response_format", "metadata"})
"""Schemas and notes: an engine reads them and fetches nothing of them."""
_NEVER_FETCHED: Final = frozenset({"tool_use", "tool_call", "function_call", "url_citation"})
"""Parts that hold URLs as text: arguments of a tool, sources of an answer."""

Json: TypeAlias = dict[str, Any]
Fetch: TypeAlias = Callable[[str], Awaitable[Fetched]]


def may_name(body: bytes) -> bool:
    """Whether a body may hold a URL for an engine: true also for some that do not."""
    return _MARK in body or (_ESCAPE in body and _HIDDEN.search(body) is not None)


class Media:
    """What is done about URLs, by the operator's setting ``media_hosts``."""

    def __init__(self, hosts: list[str], *, fetching: Fetch | None = None) -> None:
        """``hosts`` empty: nothing is fetched; ``*`` stands for the open internet."""
        self._fetching = fetching
        self.adopt(hosts)

    def adopt(self, hosts: list[str]) -> None:
        """Fetch from these hosts from the next request on."""
        self._hosts = frozenset(host.lower() for host in hosts)
        self._fetch = self._fetching or partial(
            fetch, hosts=self._hosts, bytes_max=BYTES_MAX, within_s=WITHIN_S
        )

    async def settle(self, body: bytes) -> bytes:
        """A body without URLs that an engine would fetch: itself, or one with the content in it.

        Raises:
            InvalidRequest: it has one that is not allowed or cannot be had.
        """
        if not may_name(body):
            return body
        if len(body) > _IN_THREAD_BYTES:
            request, places = await anyio.to_thread.run_sync(_read, body)
        else:
            request, places = _read(body)
        if not places:
            return body
        if not self._hosts:
            raise InvalidRequest(
                "URLs in requests are not fetched here.",
                remedy="Send the content itself as a `data:` URL; an operator can name "
                "hosts to fetch from in `media_hosts`.",
                param=places[0][2],
            )
        if len(places) > URLS_MAX:
            raise InvalidRequest(f"A request may name {URLS_MAX} URLs, and this names more.")
        for holder, key, path in places:
            holder[key] = await self._inlined(holder[key], path)
        return await anyio.to_thread.run_sync(msgspec.json.encode, request)

    async def _inlined(self, url: str, path: str) -> str:
        found = await self._fetch(url)
        kind, _, _ = found.content_type.partition("/")
        if kind not in _KINDS:
            raise InvalidRequest(
                f"A URL of the request leads to {found.content_type or 'something unnamed'}, "
                "not to an image, sound or video.",
                param=path,
            )
        return f"data:{found.content_type};base64,{base64.b64encode(found.body).decode()}"


Place: TypeAlias = tuple[Json, str, str]
"""An object, the key in it whose value is a URL, and the JSON path of that."""


def _read(body: bytes) -> tuple[Json, list[Place]]:
    """A body as an object, and where it names URLs.

    Raises:
        InvalidRequest: it is no JSON object.
    """
    try:
        request = msgspec.json.decode(body, type=Json)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise InvalidRequest("The body is not one JSON object.", param="$") from None
    content = {name: value for name, value in request.items() if name not in _NOT_CONTENT}
    return request, list(_places(content, "$", ""))


def _places(value: object, path: str, about: str) -> Iterator[Place]:
    """The places below ``value``. ``about`` is the key that led here, if it names a medium."""
    if isinstance(value, list):
        for number, item in enumerate(cast("list[object]", value)):
            yield from _places(item, f"{path}[{number}]", about)
    elif isinstance(value, dict):
        part = cast("Json", value)
        kind = part.get("type")
        if kind in _NEVER_FETCHED:
            return
        about = about or (kind if isinstance(kind, str) and _is_medium(kind) else "")
        for key, inner in part.items():
            if isinstance(inner, str):
                if _is_link(key, inner, about):
                    yield part, key, f"{path}.{key}"
            else:
                yield from _places(inner, f"{path}.{key}", key if _is_medium(key) else about)


def _is_medium(name: str) -> bool:
    """``image_url``, ``input_audio``, ``video``, ``source``..., as APIs call them."""
    words = name.split("_")
    return name == "source" or words[-1] == "url" or not _KINDS.isdisjoint(words)


def _is_link(key: str, text: str, about: str) -> bool:
    """Whether a string is something an engine would fetch."""
    if text[:5].lower() == "data:":
        return False
    if key.endswith("_url") or (key == "url" and about):
        return True
    return bool(about) and key in _KINDS and "://" in text[:32]
