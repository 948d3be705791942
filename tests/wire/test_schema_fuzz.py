"""Requests made from the queen's own document: whatever they hold, she answers as it says.

Bounded and repeatable: for each operation some bodies that fit its schema and some that are broken
in one place. No answer may be a 500, none may have a status or a shape that the document does not
name, and none may hold a traceback.
"""

import json
import random
import re
import socket
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from jsonschema import Draft202012Validator
from starlette.types import ASGIApp

from rbee.queen.api.reference import queen_document
from rbee.queen.settings import Settings
from wire.asgi import Answer, ask

pytestmark = pytest.mark.anyio

DOCUMENT = queen_document()
COMPONENTS = DOCUMENT["components"]
EXAMPLES = 8  # an operation; all of them together take a few seconds
DEEP = 5  # below that a schema that refers to itself is given its smallest value

TEXTS = ["", "x", "starter", "org/name", "0", "ü\u0000\ud7ff", "../..", "%2e%2e", "a b", "x" * 3000]
NUMBERS = [0, 1, -1, 2, 7, 0.5, 1e308, -1e308, 2**31, 2**63, 2**64]
ANYTHING = [None, True, [], {}, "x", 7, [[]], {"a": {"b": []}}]

OPERATIONS = [
    (method.upper(), path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
    if "later" not in operation["tags"]
]


@pytest.fixture
def queen_settings() -> Settings:
    return Settings(store="memory", wait_max_s=0.05)  # nobody comes: it need not be waited for


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here leaves the process or the test's own folder."""
    monkeypatch.setenv("RBEE_CONFIG_DIR", str(tmp_path))

    def refuse(_self: socket.socket, address: object) -> None:
        raise ConnectionRefusedError(f"a fuzzed request connects to {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)


class Maker:
    """Values of a schema, by chance that can be repeated."""

    def __init__(self, seed: str) -> None:
        self.dice = random.Random(seed)  # noqa: S311  chance for tests

    def value(self, schema: dict[str, Any], depth: int = 0) -> Any:  # noqa: ANN401, PLR0911  any JSON value, one way a kind
        if "$ref" in schema:
            return self.value(COMPONENTS["schemas"][schema["$ref"].rpartition("/")[2]], depth + 1)
        if "enum" in schema:
            return self.dice.choice(schema["enum"])
        if "anyOf" in schema:
            choices = schema["anyOf"]
            return self.value(choices[-1] if depth > DEEP else self.dice.choice(choices), depth + 1)
        match schema.get("type"):
            case "object":
                return self._object(schema, depth)
            case "array":
                few = 0 if depth > DEEP else self.dice.randint(schema.get("minItems", 0), 2)
                return [self.value(schema.get("items", {}), depth + 1) for _ in range(few)]
            case "string":
                text = self.dice.choice(TEXTS)
                return text[: schema.get("maxLength", len(text))].ljust(
                    schema.get("minLength", 0), "x"
                )
            case "integer" | "number":
                return self._number(schema)
            case "boolean":
                return self.dice.random() < 0.5
            case "null":
                return None
            case _:
                return self.dice.choice(ANYTHING)

    def broken(self, value: Any) -> Any:  # noqa: ANN401  any JSON value
        """The same with one thing that does not belong there."""
        if isinstance(value, dict) and value and self.dice.random() < 0.8:
            name = self.dice.choice(sorted(value))
            if self.dice.random() < 0.3:
                return {key: part for key, part in value.items() if key != name}
            return {**value, name: self.broken(value[name])}
        return self.dice.choice([*ANYTHING, *NUMBERS, *TEXTS])

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        required = set(schema.get("required", ()))
        found = {
            name: self.value(about, depth + 1)
            for name, about in schema.get("properties", {}).items()
            if name in required or (depth <= DEEP and self.dice.random() < 0.4)
        }
        if schema.get("additionalProperties") and depth <= DEEP and self.dice.random() < 0.5:
            found[self.dice.choice(TEXTS)] = self.dice.choice(ANYTHING)
        return found

    def _number(self, schema: dict[str, Any]) -> float:
        low = schema.get("minimum", schema.get("exclusiveMinimum", -(2**40)))
        high = schema.get("maximum", 2**40)
        fitting = [number for number in NUMBERS if low <= number <= high] or [low]
        number = self.dice.choice(fitting)
        return int(number) if schema["type"] == "integer" else number


def request_of(
    maker: Maker, path: str, operation: dict[str, Any], *, broken: bool
) -> tuple[str, str, bytes, dict[str, str]]:
    """Path, query, body and headers."""
    query: dict[str, str] = {}
    headers: dict[str, str] = {}
    for parameter in operation.get("parameters", ()):
        name, value = parameter["name"], str(maker.value(parameter["schema"]))
        if parameter["in"] == "path":
            path = path.replace(f"{{{name}}}", quote(value or "x", safe=""))
        elif parameter["required"] or maker.dice.random() < 0.5:
            if parameter["in"] == "query":
                query[name] = value.encode("utf-8", "replace").decode()
            else:
                headers[name] = re.sub(r"[^\x20-\x7e]", "?", value)
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    body = b""
    if content is not None:
        value = maker.value(content["schema"])
        if broken:
            value = maker.broken(value)
        body = json.dumps(value, ensure_ascii=True).encode()
        if broken and maker.dice.random() < 0.1:
            body = body[:-1] or b"{"
    return path, urlencode(query), body, headers


def check(answer: Answer, operation: dict[str, Any], asked: str) -> None:
    """Whether the document names this answer."""
    assert b"Traceback" not in answer.body, asked
    assert answer.status != 500, f"{asked}: {answer}"
    named = operation["responses"].get(str(answer.status)) or operation["responses"]["default"]
    if answer.status >= 500:
        assert str(answer.status) in operation["responses"], f"{asked}: {answer}"
    if "$ref" in named:
        named = COMPONENTS["responses"][named["$ref"].rpartition("/")[2]]
    if "content" not in named:
        assert answer.body == b"", f"{asked}: {answer}"
        return
    kind = answer.headers.get("content-type", "").partition(";")[0]
    assert kind in named["content"], f"{asked}: {answer.status} is {kind}"
    if kind == "application/json":
        schema = {**named["content"][kind]["schema"], "components": COMPONENTS}
        errors = [
            error.message
            for error in Draft202012Validator(schema).iter_errors(json.loads(answer.body))
        ]
        assert not errors, f"{asked}: {answer.status}: {errors[:3]}"


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda row: f"{row[0]} {row[1]}")
async def test_she_answers_as_her_document_says(
    queen_app: ASGIApp, operation: tuple[str, str, dict[str, Any]]
) -> None:
    method, template, about = operation
    for turn in range(EXAMPLES):
        maker = Maker(f"{method} {template} {turn}")
        path, query, body, headers = request_of(maker, template, about, broken=turn % 2 == 1)
        answer = await ask(queen_app, method, path, query=query, body=body, headers=headers)
        check(answer, about, f"turn {turn}: {method} {path}?{query} {body[:400]!r}")
