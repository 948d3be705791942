"""``tool_choice`` kept by us: what an engine ignores is put into its answer's grammar.

llama.cpp's server takes ``tool_choice: "required"`` or a named function and then
writes prose (seen: 12 of 12 with a template that knows no tools). So the request is
rewritten: the tools become a JSON schema that the answer must fit, which every engine
enforces, and the answer's JSON becomes ``tool_calls`` again (``tool_calls``). Works
with any chat template, since the model reads the tools as text.

Pure. A request comes here from the door when its body has the word; ``enforce`` costs
a search for that word otherwise. The request goes on to the dispatcher with
``Enforced.body``, the answer comes back through ``Enforced.answer`` or ``rewriter``.
"""

from typing import Any, Final, TypeVar, cast

import msgspec

from rbee.contracts.decode import decode_json
from rbee.errors import InvalidRequest
from rbee.queen.inference.tool_calls import Call, Rewriter, as_tool_calls

TOOLS_MAX: Final = 128  # OpenAI's own limit; each one costs the model its schema in tokens

_WORD: Final = b'"tool_choice"'
_REPLACED: Final = frozenset({"tools", "tool_choice", "parallel_tool_calls", "response_format"})
_LEFT_TO_THE_ENGINE: Final = frozenset({"auto", "none"})
_SYSTEM_ROLES: Final = frozenset({"system", "developer"})
_OWN_GRAMMARS: Final = ("grammar", "json_schema")
_DEFINITIONS: Final = ("$defs", "definitions")

T = TypeVar("T")


class _Function(msgspec.Struct):
    name: str = ""
    description: str | None = None
    parameters: dict[str, Any] | None = None


class _Tool(msgspec.Struct):
    type: str = "function"
    function: _Function | None = None


class Enforced(msgspec.Struct, frozen=True, kw_only=True):
    """A request whose tool call is enforced. ``body`` goes to the worker in its place.

    ``call`` says how the answer's JSON is to be read: as one function's arguments, or
    as an object that names its function.
    """

    body: bytes
    call: Call

    def answer(self, body: bytes) -> bytes:
        """The worker's whole answer with its JSON as ``tool_calls``.

        Raises:
            EngineError: the engine wrote something else.
        """
        return as_tool_calls(body, self.call)

    def rewriter(self) -> Rewriter:
        """For one stream: whole events in, whole events out, JSON as ``tool_calls`` deltas."""
        return Rewriter(self.call)


def enforce(body: bytes) -> Enforced | None:
    """What to send instead of ``body``, or None when the engine can be left to it.

    ``body`` is a chat completion's. ``auto``, ``none`` and no word at all give None.

    Raises:
        InvalidRequest: it names a tool that is not given, gives no tools or a tool
            without a usable schema, or asks for a grammar of its own beside it.
    """
    if _WORD not in body:
        return None
    fields = decode_json(body, dict[str, msgspec.Raw])
    choice = _choice(fields)
    if choice is None:
        return None
    chosen = _chosen(choice, _tools(fields))
    for name in _OWN_GRAMMARS:
        if not _is_null(fields, name):
            raise InvalidRequest(
                f"`{name}` and a required tool call cannot both shape the answer.",
                remedy=f"Leave out `{name}`, or set `tool_choice` to `auto`.",
                param=f"$.{name}",
            )
    schema, call = _schema_of(chosen)
    changed = {name: value for name, value in fields.items() if name not in _REPLACED}
    changed["messages"] = _told(fields, _instruction(chosen, call))
    changed["response_format"] = _raw(
        {"type": "json_schema", "json_schema": {"name": "tool_call", "schema": schema}}
    )
    return Enforced(body=msgspec.json.encode(changed), call=call)


# ── what was asked ───────────────────────────────────────────────────────────


class _Name(msgspec.Struct):
    name: str = ""


class _Allowed(msgspec.Struct):
    function: _Name = msgspec.field(default_factory=_Name)


class _AllowedTools(msgspec.Struct):
    mode: str = "auto"
    tools: list[_Allowed] = msgspec.field(default_factory=list[_Allowed])


class _Choice(msgspec.Struct):
    """``tool_choice`` where it is an object."""

    type: str = ""
    function: _Name = msgspec.field(default_factory=_Name)
    allowed_tools: _AllowedTools = msgspec.field(default_factory=_AllowedTools)

    @property
    def binds(self) -> bool:
        """Whether a call is required; among allowed tools it may be a mere possibility."""
        return self.type != "allowed_tools" or self.allowed_tools.mode == "required"


def _choice(fields: dict[str, msgspec.Raw]) -> _Choice | None:
    """What must be called; None when the engine may do as it likes."""
    if _is_null(fields, "tool_choice"):
        return None
    raw, path = fields["tool_choice"], "$.tool_choice"
    if bytes(raw).startswith(b'"'):
        word = _decoded(raw, str, path)
        return None if word in _LEFT_TO_THE_ENGINE else _Choice(type=word)
    choice = _decoded(raw, _Choice, path)
    return choice if choice.binds else None


def _tools(fields: dict[str, msgspec.Raw]) -> list[_Function]:
    tools = [] if _is_null(fields, "tools") else _decoded(fields["tools"], list[_Tool], "$.tools")
    if not tools:
        raise InvalidRequest(
            "`tool_choice` asks for a tool call, and no tools are given at `$.tools`.",
            param="$.tools",
        )
    if len(tools) > TOOLS_MAX:
        raise InvalidRequest(
            f"{len(tools)} tools are given, over the limit of {TOOLS_MAX}.", param="$.tools"
        )
    functions: list[_Function] = []
    for index, tool in enumerate(tools):
        if tool.type != "function" or tool.function is None or not tool.function.name:
            raise InvalidRequest(
                f"Only functions with a name can be called at `$.tools[{index}]`.",
                param=f"$.tools[{index}]",
            )
        functions.append(tool.function)
    return functions


def _chosen(choice: _Choice, functions: list[_Function]) -> list[_Function]:
    """The functions of which one must be called."""
    match choice.type:
        case "required":
            return functions
        case "function":
            return [_named(choice.function.name, functions)]
        case "allowed_tools" if choice.allowed_tools.tools:
            allowed = choice.allowed_tools.tools
            return [_named(tool.function.name, functions) for tool in allowed]
        case _:
            raise InvalidRequest(
                '`tool_choice` is neither "none", "auto" or "required" nor a named function.',
                remedy='Send e.g. {"type": "function", "function": {"name": "NAME"}}.',
                param="$.tool_choice",
            )


def _named(name: str, functions: list[_Function]) -> _Function:
    for function in functions:
        if function.name == name:
            return function
    given = ", ".join(function.name for function in functions)
    raise InvalidRequest(
        f"`tool_choice` names the tool {name!r}, which is not among the given ones ({given}).",
        param="$.tool_choice",
    )


# ── what is sent instead ─────────────────────────────────────────────────────


def _schema_of(functions: list[_Function]) -> tuple[dict[str, Any], Call]:
    """The schema that the answer must fit. One function: its arguments alone."""
    if len(functions) == 1:
        return _parameters(functions[0]), Call(name=functions[0].name)
    shared: dict[str, Any] = {}
    variants = [
        {
            "type": "object",
            "properties": {
                "name": {"const": function.name},
                "arguments": _hoisted(_parameters(function), f"tool{index}_", shared),
            },
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for index, function in enumerate(functions)
    ]
    schema: dict[str, Any] = {"anyOf": variants}
    return ({**schema, "$defs": shared} if shared else schema), Call(name=None)


def _parameters(function: _Function) -> dict[str, Any]:
    """A function's own schema. Without one it takes nothing, as OpenAI has it.

    Raises:
        InvalidRequest: arguments that are no object.
    """
    schema = function.parameters
    if not schema:
        return {"type": "object", "properties": {}, "additionalProperties": False}
    if schema.get("type", "object") != "object":
        raise InvalidRequest(
            f"The parameters of the tool {function.name!r} are no object: "
            f"`type` is {schema.get('type')!r}.",
            param="$.tools",
        )
    return {"type": "object", **schema}


def _hoisted(schema: dict[str, Any], prefix: str, shared: dict[str, Any]) -> dict[str, Any]:
    """``schema`` with its definitions moved to ``shared``: a ``$ref`` starts at the root.

    Raises:
        InvalidRequest: it refers to something else than its definitions.
    """
    own = {name: value for name, value in schema.items() if name not in _DEFINITIONS}
    for group in _DEFINITIONS:
        for name, value in cast("dict[str, Any]", schema.get(group) or {}).items():
            shared[f"{prefix}{name}"] = _renamed(value, prefix)
    return cast("dict[str, Any]", _renamed(own, prefix))


def _renamed(value: object, prefix: str) -> object:
    if isinstance(value, list):
        return [_renamed(item, prefix) for item in cast("list[object]", value)]
    if not isinstance(value, dict):
        return value
    fields = cast("dict[str, object]", value)
    return {
        name: _reference(inner, prefix)
        if name == "$ref" and isinstance(inner, str)
        else _renamed(inner, prefix)
        for name, inner in fields.items()
    }


def _reference(target: str, prefix: str) -> str:
    for group in _DEFINITIONS:
        before, found, name = target.partition(f"#/{group}/")
        if found and not before:
            return f"#/$defs/{prefix}{name}"
    raise InvalidRequest(
        f"A tool's schema refers to {target!r}; only its own `$defs` can be followed.",
        param="$.tools",
    )


# ── what the model is told ───────────────────────────────────────────────────


def _instruction(functions: list[_Function], call: Call) -> str:
    """The tools as text: the schema alone would leave the model guessing what they do."""
    told = "\n".join(_described(function) for function in functions)
    if call.name is not None:
        return (
            f"You must call this function:\n{told}\n"
            "Answer with nothing but its arguments, as a JSON object that fits its parameters."
        )
    return (
        f"You must call exactly one of these functions:\n{told}\n"
        'Answer with nothing but a JSON object: {"name": the function\'s name, '
        '"arguments": an object that fits its parameters}.'
    )


def _described(function: _Function) -> str:
    what = f": {function.description}" if function.description else ""
    schema = msgspec.json.encode(_parameters(function)).decode()
    return f"- {function.name}{what}\n  parameters: {schema}"


class _Role(msgspec.Struct):
    role: str = ""


def _told(fields: dict[str, msgspec.Raw], instruction: str) -> msgspec.Raw:
    """The messages with the instruction at the end of the system's, or as a first one."""
    if _is_null(fields, "messages"):
        return _raw([])  # the engine says what it thinks of that
    messages = _decoded(fields["messages"], list[msgspec.Raw], "$.messages")
    at_first = "$.messages[0]"
    if not messages or _decoded(messages[0], _Role, at_first).role not in _SYSTEM_ROLES:
        return _raw([{"role": "system", "content": instruction}, *messages])
    first = _decoded(messages[0], dict[str, Any], at_first)
    content: object = first.get("content")
    if isinstance(content, list):
        parts = cast("list[object]", content)
        first["content"] = [*parts, {"type": "text", "text": instruction}]
    else:
        first["content"] = f"{content}\n\n{instruction}" if content else instruction
    return _raw([first, *messages[1:]])


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def _is_null(fields: dict[str, msgspec.Raw], name: str) -> bool:
    return bytes(fields.get(name, b"null")) == b"null"


def _decoded(raw: msgspec.Raw, type_: type[T], path: str) -> T:
    try:
        return msgspec.json.decode(raw, type=type_)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"`{path}` cannot be read: {error}.", param=path) from None
