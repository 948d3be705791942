"""JSON schemas of wire types, as they are taken and as they are given.

The same struct reads differently in the two directions: what has a default may be left out of a
request, and always stands in an answer (unless the struct leaves defaults out). So a struct that
is used both ways has two schemas where that makes a difference: ``Model`` as it is given, and
``ModelTaken``. Pure; ``openapi`` puts the result into its document.
"""

import inspect
from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeAlias, cast

import msgspec
import msgspec.inspect

Json: TypeAlias = dict[str, Any]

TAKEN_SUFFIX: Final = "Taken"

_REF: Final = "#/components/schemas/"


class Schemas:
    """The schemas of a set of types; ``of`` is what stands where one of them is meant."""

    def __init__(self, *, taken: Iterable[Any], given: Iterable[Any]) -> None:
        taken, given = _distinct(taken), _distinct(given)
        self._given, found = _components(given)
        for name, cls in _structs(given).items():
            if name in found:
                found[name] = _as_given(found[name], cls)
        self._taken, asked = _components(taken)
        renamed = _differing(asked, found)
        self.components: Json = dict(found)
        for name, schema in asked.items():
            as_named = f"{name}{TAKEN_SUFFIX}" if name in renamed else name
            self.components[as_named] = _rename(schema, renamed)
        for key, schema in self._taken.items():
            self._taken[key] = _rename(schema, renamed)
        self.components = dict(sorted(self.components.items()))

    def of(self, kind: Any, *, taken: bool) -> Json:  # noqa: ANN401  any type is described
        """The schema, or the reference to it, of one of the types."""
        return (self._taken if taken else self._given)[_key(kind)]


def _distinct(kinds: Iterable[Any]) -> list[Any]:
    return list({_key(kind): kind for kind in kinds}.values())


def _key(kind: Any) -> str:  # noqa: ANN401  as above
    return repr(kind)


def _components(kinds: list[Any]) -> tuple[dict[str, Json], Json]:
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REF + "{name}")
    found = {_key(kind): _opened(schema) for kind, schema in zip(kinds, schemas, strict=True)}
    return found, {name: _opened(_tidied(schema)) for name, schema in components.items()}


def _opened(schema: Any) -> Any:  # noqa: ANN401  any part of a schema
    """The same, where an object that may hold anything says so: else readers think it is empty."""
    if isinstance(schema, list):
        return [_opened(part) for part in cast("list[object]", schema)]
    if not isinstance(schema, dict):
        return schema
    found = {key: _opened(part) for key, part in cast("Json", schema).items()}
    if found.get("type") == "object" and "properties" not in found:
        found.setdefault("additionalProperties", True)
    return found


def _tidied(schema: Json) -> Json:
    """Descriptions are docstrings: without their indentation, and ``code`` as Markdown has it."""
    text = schema.get("description")
    if isinstance(text, str):
        schema = {**schema, "description": inspect.cleandoc(text).replace("``", "`")}
    return schema


def _as_given(schema: Json, cls: type[msgspec.Struct]) -> Json:
    """What is always there when this server has written it."""
    if cls.__struct_config__.omit_defaults:
        return schema
    found = {**schema, "required": list(schema.get("properties", {}))}
    found["properties"] = {
        name: {key: value for key, value in about.items() if key != "default"}
        for name, about in schema.get("properties", {}).items()
    }
    if not found["required"]:
        del found["required"]
    return found


def _structs(kinds: Iterable[Any]) -> dict[str, type[msgspec.Struct]]:
    """All structs below the types, by their names."""
    found: dict[str, type[msgspec.Struct]] = {}
    for info in msgspec.inspect.multi_type_info(list(kinds)):
        for struct in _walk(info, set()):
            found[struct.cls.__name__] = struct.cls
    return found


def _walk(info: object, seen: set[type]) -> Iterator[msgspec.inspect.StructType]:
    if isinstance(info, msgspec.inspect.StructType):
        if info.cls in seen:
            return
        seen.add(info.cls)
        yield info
        for field in info.fields:
            yield from _walk(field.type, seen)
        return
    inner = [getattr(info, name, None) for name in ("item_type", "key_type", "value_type", "type")]
    inner += [*getattr(info, "types", ()), *getattr(info, "item_types", ())]
    for part in inner:
        if isinstance(part, msgspec.inspect.Type):
            yield from _walk(part, seen)


def _differing(taken: Json, given: Json) -> frozenset[str]:
    """The names whose two schemas differ, also by what they refer to."""
    found = {name for name, schema in taken.items() if given.get(name, schema) != schema}
    while True:
        more = {
            name
            for name, schema in taken.items()
            if name in given and name not in found and not found.isdisjoint(_refs(schema))
        }
        if not more:
            return frozenset(found)
        found |= more


def _refs(schema: object) -> Iterator[str]:
    """The names that a part of a schema refers to."""
    if isinstance(schema, dict):
        for key, value in cast("Json", schema).items():
            if key == "$ref" and isinstance(value, str):
                yield value.removeprefix(_REF)
            else:
                yield from _refs(value)
    elif isinstance(schema, list):
        for value in cast("list[object]", schema):
            yield from _refs(value)


def _rename(schema: Any, names: frozenset[str]) -> Any:  # noqa: ANN401  any part of a schema
    """The same with references to other names; those in a discriminator's mapping too."""
    if isinstance(schema, dict):
        return {key: _rename(value, names) for key, value in cast("Json", schema).items()}
    if isinstance(schema, list):
        return [_rename(value, names) for value in cast("list[object]", schema)]
    if isinstance(schema, str) and schema.removeprefix(_REF) in names and schema.startswith(_REF):
        return schema + TAKEN_SUFFIX
    return schema
