"""Bytes to structs, with errors that name the JSON path at fault.

Every body that a server reads passes through here, whatever its Content-Type
says: ``curl -d`` sends JSON under a form's header.
"""

import re
from typing import TypeVar

import msgspec

from rbee.errors import InvalidRequest

T = TypeVar("T")

_MISSING_FIELD = re.compile(r"missing required field `(?P<field>[^`]+)`")
_AT_PATH = re.compile(r" - at `(?P<path>[^`]+)`$")


def decode_json(body: bytes, type_: type[T]) -> T:
    """Read one JSON value as ``type_``.

    Raises:
        InvalidRequest: not JSON, or a field is missing or of the wrong type;
            ``param`` is the JSON path.
    """
    if not body.strip():
        raise InvalidRequest("The request has no body.", remedy="Send one JSON object.", param="$")
    try:
        return msgspec.json.decode(body, type=type_)
    except msgspec.ValidationError as error:
        raise invalid_request(error) from None
    except RecursionError:
        raise InvalidRequest(
            "The body is nested too deeply.", remedy="A few hundred levels are read.", param="$"
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(
            f"The body is not valid JSON: {error}.", remedy="Send one JSON object.", param="$"
        ) from None


def invalid_request(error: msgspec.ValidationError) -> InvalidRequest:
    """Turn msgspec's message into ours, with the path as ``param``."""
    text = str(error)
    found = _AT_PATH.search(text)
    path = found["path"] if found else "$"
    what = _AT_PATH.sub("", text)
    if missing := _MISSING_FIELD.search(what):
        path = f"{path}.{missing['field']}"
        what = f"The required field `{missing['field']}` is missing"
    return InvalidRequest(f"{what} at `{path}`.", param=path)
