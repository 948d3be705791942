"""A required tool call: what is sent to the worker instead, and what is refused."""

import json
import time
from typing import Any

import pytest

from rbee.errors import InvalidRequest
from rbee.queen.inference.tool_choice import TOOLS_MAX, Enforced, enforce

_CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def _tool(name: str, parameters: object = _CITY, description: str = "") -> dict[str, Any]:
    return {
        "type": "function",
        "function": {"name": name, "description": description, "parameters": parameters},
    }


def _named(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name}}


def _body(choice: object, tools: object = None, **more: object) -> bytes:
    body = {
        "model": "m",
        "messages": [{"role": "user", "content": "Weather in Paris?"}],
        "tools": [_tool("weather", description="Tells it"), _tool("time")]
        if tools is None
        else tools,
        "tool_choice": choice,
        **more,
    }
    return json.dumps(body).encode()


def _sent(choice: object, tools: object = None, **more: object) -> tuple[Enforced, dict[str, Any]]:
    enforced = enforce(_body(choice, tools, **more))
    assert enforced is not None
    return enforced, json.loads(enforced.body)


def _schema(sent: dict[str, Any]) -> dict[str, Any]:
    return sent["response_format"]["json_schema"]["schema"]


@pytest.mark.parametrize(
    "choice", [None, "auto", "none", {"type": "allowed_tools", "allowed_tools": {"mode": "auto"}}]
)
def test_what_binds_to_nothing_is_left_to_the_engine(choice: object) -> None:
    assert enforce(_body(choice)) is None


def test_a_body_without_the_word_costs_next_to_nothing() -> None:
    body = _body("auto").replace(b"tool_choice", b"tool_chosen") + b" " * 1_000_000
    started = time.perf_counter()
    for _ in range(100):
        assert enforce(body) is None
    assert (time.perf_counter() - started) / 100 < 0.005, "a search in 1 MB, not a decoding"


def test_a_named_functions_answer_is_its_arguments() -> None:
    enforced, sent = _sent(_named("weather"))
    assert enforced.call.name == "weather"
    assert _schema(sent) == _CITY
    assert not {"tools", "tool_choice"} & sent.keys()


def test_a_required_call_names_its_function() -> None:
    enforced, sent = _sent("required")
    assert enforced.call.name is None
    names = [variant["properties"]["name"]["const"] for variant in _schema(sent)["anyOf"]]
    assert names == ["weather", "time"]
    assert all(
        list(variant["properties"]) == ["name", "arguments"] for variant in _schema(sent)["anyOf"]
    ), "the name comes first: a stream's client wants it before the arguments"


def test_one_required_tool_is_a_named_one() -> None:
    enforced, _ = _sent("required", [_tool("only")])
    assert enforced.call.name == "only"


def test_allowed_tools_that_are_required_are_all_that_may_be_called() -> None:
    choice = {
        "type": "allowed_tools",
        "allowed_tools": {"mode": "required", "tools": [_named("time")]},
    }
    enforced, _ = _sent(choice)
    assert enforced.call.name == "time"


def test_the_model_reads_what_the_tools_are() -> None:
    _, sent = _sent(_named("weather"))
    system, user = sent["messages"]
    assert system["role"] == "system"
    assert "weather: Tells it" in system["content"]
    assert '"city"' in system["content"]
    assert user == {"role": "user", "content": "Weather in Paris?"}


@pytest.mark.parametrize("role", ["system", "developer"])
def test_the_clients_own_system_message_stays_the_first_one(role: str) -> None:
    first = {"role": role, "content": "Be brief."}
    _, sent = _sent(_named("weather"), messages=[first, {"role": "user", "content": "?"}])
    assert len(sent["messages"]) == 2
    assert sent["messages"][0]["content"].startswith("Be brief.\n\nYou must call")
    parts = [{"type": "text", "text": "Be brief."}]
    _, sent = _sent(_named("weather"), messages=[{"role": role, "content": parts}])
    assert [part["type"] for part in sent["messages"][0]["content"]] == ["text", "text"]


def test_all_other_fields_go_on_untouched() -> None:
    body = _body(_named("weather"), stream=True, seed=12345678901234567890, x={"y": [1.50]})
    body = body.replace(b"[1.5]", b"[1.50]")
    enforced = enforce(body)
    assert enforced is not None
    assert b'"seed":12345678901234567890' in enforced.body
    assert b"[1.50]" in enforced.body, "not re-encoded"
    assert json.loads(enforced.body)["stream"] is True


@pytest.mark.parametrize("parameters", [None, {}])
def test_a_function_without_parameters_takes_none(parameters: object) -> None:
    _, sent = _sent(_named("now"), [_tool("now", parameters)])
    assert _schema(sent) == {"type": "object", "properties": {}, "additionalProperties": False}


def test_definitions_move_to_the_root_of_the_schema() -> None:
    item = {"type": "object", "properties": {"sub": {"$ref": "#/$defs/item"}}}
    nested = {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/item"}, "b": {"$ref": "#/definitions/old"}},
        "$defs": {"item": item},
        "definitions": {"old": {"type": "string"}},
    }
    _, sent = _sent("required", [_tool("one", nested), _tool("two", nested)])
    schema = _schema(sent)
    assert set(schema["$defs"]) == {"tool0_item", "tool0_old", "tool1_item", "tool1_old"}
    second = schema["anyOf"][1]["properties"]["arguments"]
    assert second["properties"]["a"] == {"$ref": "#/$defs/tool1_item"}
    assert second["properties"]["b"] == {"$ref": "#/$defs/tool1_old"}
    assert schema["$defs"]["tool1_item"]["properties"]["sub"] == {"$ref": "#/$defs/tool1_item"}
    assert "$defs" not in second


@pytest.mark.parametrize(
    ("choice", "tools", "words", "param"),
    [
        ("required", [], "no tools are given", "$.tools"),
        (_named("rain"), None, "'rain', which is not among the given ones (weather, time)", None),
        ("sometimes", None, "neither", "$.tool_choice"),
        ({"type": "custom", "custom": {"name": "x"}}, None, "neither", "$.tool_choice"),
        (7, None, "cannot be read", "$.tool_choice"),
        ("required", [{"type": "custom"}], "Only functions", "$.tools[0]"),
        ("required", [{"type": "function"}], "Only functions", "$.tools[0]"),
        ("required", "weather", "cannot be read", "$.tools"),
        ("required", [_tool("x", {"type": "array"})], "no object", "$.tools"),
        ("required", [_tool("x", "city")], "cannot be read", "$.tools"),
        (
            "required",
            [_tool("x"), _tool("y", {"properties": {"a": {"$ref": "#/properties/b"}}})],
            "refers to",
            "$.tools",
        ),
        ("required", [_tool(f"t{n}") for n in range(TOOLS_MAX + 1)], "over the limit", "$.tools"),
    ],
)
def test_what_cannot_be_enforced_is_refused(
    choice: object, tools: object, words: str, param: str | None
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        enforce(_body(choice, tools))
    assert words in caught.value.message
    assert param is None or caught.value.param == param


def test_a_grammar_of_ones_own_cannot_be_kept_as_well() -> None:
    with pytest.raises(InvalidRequest, match="grammar"):
        enforce(_body("required", grammar='root ::= "x"'))
