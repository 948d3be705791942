"""What a person types after ``rbee settings set NAME=``, as the setting's type has it."""

from typing import Any

import pytest

from rbee.contracts.settings import Setting
from rbee.errors import InvalidRequest
from rbee.keeper.cli.settings import value_of

WHOLE = {"type": "integer"}
TEXT = {"type": "string"}
MAYBE = {"anyOf": [{"type": "string"}, {"type": "null"}]}
SWITCH = {"type": "boolean"}
WORDS = {"type": "array", "items": {"type": "string"}}
TABLE = {"type": "object", "additionalProperties": True}
CHOICE = {"enum": ["least-loaded", "round-robin"]}


def row(schema: dict[str, Any]) -> Setting:
    return Setting(
        name="some",
        group="G",
        about="",
        value=None,
        default=None,
        source="default",
        schema=schema,
        live=False,
    )


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        (WHOLE, "500", 500),
        (WHOLE, "many", "many"),  # the queen says what is wrong with it
        (TEXT, "500", "500"),
        (TEXT, "info", "info"),
        (MAYBE, "/a/b.pem", "/a/b.pem"),
        (SWITCH, "true", True),
        (SWITCH, "off", False),
        (WORDS, "a, b,", ["a", "b"]),
        (WORDS, '["a,b"]', ["a,b"]),
        (WORDS, "", []),
        (TABLE, '{"gpu": 2}', {"gpu": 2}),
        (CHOICE, "round-robin", "round-robin"),
    ],
)
def test_words_become_values(schema: dict[str, Any], text: str, value: object) -> None:
    assert value_of(row(schema), text) == value


def test_a_table_that_is_no_json_is_told() -> None:
    with pytest.raises(InvalidRequest, match="no JSON"):
        value_of(row(TABLE), "gpu=2")
