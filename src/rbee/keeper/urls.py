"""What people write for an address, as a base URL. Pure.

The front door uses it too, so it imports next to nothing.
"""

from typing import Literal
from urllib.parse import urlsplit

from rbee.errors import InvalidRequest

Room = Literal["queen", "hive"]

PORTS: dict[Room, int] = {"queen": 7833, "hive": 7835}
"""wire.md, "Ports"."""


def as_url(text: str, *, param: str) -> str:
    """``host``, ``host:port`` or a whole URL, as a base URL without a slash at its end.

    ``param`` is the flag it came by; its room's port is added where none was written.

    Raises:
        InvalidRequest: it is none of these.
    """
    whole = text.strip()
    whole = (whole if "://" in whole else f"http://{whole}").rstrip("/")
    try:
        parts = urlsplit(whole)
        port = parts.port
    except ValueError as error:
        raise _no_url(text, param, str(error)) from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise _no_url(text, param, "it needs http(s) and a host")
    if port is None and parts.scheme == "http" and not parts.path:
        whole = f"{whole}:{PORTS['hive' if param == '--hive' else 'queen']}"
    return whole


def _no_url(text: str, param: str, why: str) -> InvalidRequest:
    return InvalidRequest(
        f"{param} {text!r} is not an address: {why}.",
        remedy="Write it like http://gaming-pc:7833.",
        param=param,
    )
