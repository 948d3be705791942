"""A wrong value of a setting in words: ``70000 is not a whole number from 0 to 65535``. Pure.

Whoever typed it has to read three things: which setting, what it was given, what it may be. The
checker (msgspec) says where and what it found; the value stands in what was checked, and what is
allowed stands in the type. What may be a secret is never repeated.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, TypeAlias, cast

import msgspec

VALUE_SHOWN_MAX: Final = 64  # characters: enough to know it again
MASK: Final = "…"
"""Stands where a password was."""

_PASSWORDS: Final = (
    re.compile(r"((?<=://)[^/@:\s]*:)[^/\s]+(?=@)"),  # before the host's name
    re.compile(r"(password=)[^&\s]+", re.IGNORECASE),  # in the query: libpq takes it there, too
)
_SECRET: Final = re.compile(r"key|token|secret|password|sha256", re.IGNORECASE)
_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_ABOUT_A_VALUE: Final = ("Expected", "Invalid enum value")
_RULE: Final = re.compile(r"`(\w+)` (must .*)", re.DOTALL)
_KINDS: Final = {
    "integer": "a whole number",
    "number": "a number",
    "string": "a text",
    "boolean": "true or false",
    "array": "a list",
    "object": "a table",
}
_LIMITS: Final = {
    "minimum": "of at least",
    "exclusiveMinimum": "above",
    "maximum": "of at most",
    "exclusiveMaximum": "below",
    "pattern": "like",
}

Schema: TypeAlias = Mapping[str, Any]


CANNOT: Final = " cannot be so: "
"""Between a setting and why."""


class WrongValue(NamedTuple):
    """``where`` is its place in what was checked: ``port``, ``keys[0].name``, nothing for all of it.

    ``why`` is a clause without an end: ``70000 is not a whole number from 0 to 65535``.
    """

    where: str
    why: str


def wrong_value(error: Exception, value: object, type_: object) -> WrongValue:
    """What ``msgspec.convert(value, type_)`` raised, in words."""
    what, _, path = str(error).partition(" - at `$")
    path = path.rstrip("`")
    where = path.removeprefix(".")
    allowed = _Allowed(type_)
    schema, there, is_secret = allowed.schema, value, False
    for name, index in _STEP.findall(path):
        schema = allowed.below(schema, name)
        there = _below(there, name, index)
        is_secret = bool(_SECRET.search(name)) if name else is_secret
    if not what.startswith(_ABOUT_A_VALUE):
        return _of_a_rule(what, where, there)
    shown = "it" if is_secret or there is _NOWHERE else _shown(there)
    if path.endswith("[...]"):
        shown = "one of its values"
    return WrongValue(where, f"{shown} is not {allowed.words(schema)}")


def _of_a_rule(what: str, where: str, table: object) -> WrongValue:
    """A rule of a table's own, which names the field that breaks it: "x must not be below 0"."""
    named = _RULE.match(what)
    if named is None:
        return WrongValue(where, _uncapitalised(what))
    given = _below(table, named[1], "")
    is_shown = given is not _NOWHERE and not _SECRET.search(named[1])
    is_what = f"it is {_shown(given)} and" if is_shown else "it"
    return WrongValue(f"{where}.{named[1]}".removeprefix("."), f"{is_what} {named[2]}")


def masked(value: object) -> object:
    """A JSON value without the passwords of the URLs in it."""
    match value:
        case str():
            for password in _PASSWORDS:
                value = password.sub(rf"\1{MASK}", value)
            return value
        case list():
            return [masked(part) for part in cast("list[object]", value)]
        case dict():
            return {key: masked(part) for key, part in cast("dict[str, object]", value).items()}
        case _:
            return value


class _Allowed:
    """What a type allows, by its JSON schema."""

    def __init__(self, type_: object) -> None:
        self.schema: Schema = msgspec.json.schema(type_)
        self._defs: Mapping[str, Schema] = self.schema.get("$defs", {})

    def below(self, schema: Schema, name: str) -> Schema:
        """The schema of a field, or of an element where ``name`` is empty."""
        for part in self._choices(schema):
            fields: Mapping[str, Schema] = part.get("properties", {})
            found = (
                fields.get(name) if name else part.get("items", part.get("additionalProperties"))
            )
            if isinstance(found, Mapping):
                return cast("Schema", found)
        return {}

    def words(self, schema: Schema) -> str:
        """``a whole number from 0 to 65535``; null is left out: it is what an unset one has."""
        said = [self._one(part) for part in self._choices(schema)]
        return " or ".join(dict.fromkeys(said)) or "what it may be"

    def _choices(self, schema: Schema) -> list[Schema]:
        if "$ref" in schema:
            schema = self._defs[str(schema["$ref"]).rpartition("/")[2]]
        parts: list[Schema] = schema.get("anyOf", [schema])
        flat = [part if "$ref" not in part else self._choices(part)[0] for part in parts]
        return [part for part in flat if part.get("type") != "null"]

    def _one(self, schema: Schema) -> str:
        if "enum" in schema:
            return f"one of {', '.join(map(str, schema['enum']))}"
        kind = _KINDS.get(str(schema.get("type")), "what it may be")
        if schema.get("items"):
            return f"{kind} (each of it {self.words(schema['items'])})"
        return f"{kind}{_limits(schema)}"


def _limits(schema: Schema) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        return f" from {least} to {most}"
    shortest, longest = schema.get("minLength", 0), schema.get("maxLength")
    if longest is not None:
        return f" of {shortest} to {longest} characters"
    said = [f" {words} {schema[name]}" for name, words in _LIMITS.items() if name in schema]
    return " and".join(said)


_NOWHERE: Final = object()


def _below(value: object, name: str, index: str) -> object:
    """What stands at one step of a path."""
    if name and isinstance(value, dict):
        return cast("dict[str, object]", value).get(name, _NOWHERE)
    if index.isdecimal() and isinstance(value, list):
        parts = cast("list[object]", value)
        return parts[int(index)] if int(index) < len(parts) else _NOWHERE
    return _NOWHERE


def _shown(value: object) -> str:
    plain = masked(value)
    text = (
        repr(plain)
        if isinstance(plain, str)
        else json.dumps(plain, default=str, ensure_ascii=False)
    )
    return text if len(text) <= VALUE_SHOWN_MAX else f"{text[: VALUE_SHOWN_MAX - 1]}…"


def _uncapitalised(text: str) -> str:
    return text[:1].lower() + text[1:]
