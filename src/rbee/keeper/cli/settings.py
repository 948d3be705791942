"""``rbee settings``: what is in force and where it comes from, and changes to it.

The queen does it: she checks a change, writes her ``config.toml`` with its comments kept, and lets
count at once what can. A hive's settings are shown through her and changed on its machine.
"""

import json as json_text
from typing import Annotated, Any, cast

from cyclopts import App, Parameter

from rbee.client.settings import SettingsClient
from rbee.contracts.settings import Setting, SettingsChanged, SettingsState
from rbee.errors import InvalidRequest
from rbee.keeper.cli.frame import examples
from rbee.keeper.cli.options import HiveIdFlag, JsonFlag, QueenFlag
from rbee.keeper.clients import queen_client
from rbee.keeper.screen import note, out, out_json, out_table
from rbee.keeper.units import UNKNOWN

settings_app = App(
    name="settings",
    help="The queen's settings: look at them and change them.",
    help_epilogue=examples("rbee settings list", "rbee settings set queue_max=500"),
)


@settings_app.command(
    name="list",
    help_epilogue=examples(
        "rbee settings list",
        "rbee settings list placement",
        "rbee settings list --set",
        "rbee settings list --hive-id gpu-box --json",
    ),
)
async def list_settings(
    words: Annotated[str, Parameter(help="Only those whose name or description has this.")] = "",
    /,
    *,
    only_set: Annotated[
        bool,
        Parameter(name="--set", help="Only those that somebody has set.", show_default=False),
    ] = False,
    hive_id: HiveIdFlag = None,
    json: JsonFlag = False,
    queen: QueenFlag = None,
) -> None:
    """Show settings: their values, where each comes from, what waits for a restart."""
    state = await _state(queen, hive_id)
    shown = [
        row
        for row in state.settings
        if words.lower() in f"{row.name} {row.about}".lower()
        and not (only_set and row.source == "default")
    ]
    if json:
        out_json(shown)
        return
    out_table(
        ("setting", "value", "from", "default"),
        [(row.name, _value(row), _source(row), _text(row.default)) for row in shown],
        empty="No setting is like this.",
    )
    _say_waiting(state)


@settings_app.command(
    help_epilogue=examples("rbee settings get queue_max", "rbee settings get store --json")
)
async def get(
    name: Annotated[str, Parameter(help="The setting's name (`rbee settings list`).")],
    /,
    *,
    hive_id: HiveIdFlag = None,
    json: JsonFlag = False,
    queen: QueenFlag = None,
) -> None:
    """Show one setting: its value on stdout, and what is known of it on stderr."""
    row = _find(await _state(queen, hive_id), name)
    if json:
        out_json(row)
        return
    unit = f" {row.unit}" if row.unit else ""
    note(row.about)
    note(f"It comes from: {_source(row)}. Default: {_text(row.default)}{unit}.")
    if row.waits:
        note(f"{_text(row.next)}{unit} waits for a new start.")
    if row.locked is not None:
        note(row.locked)
    out(_text(row.value))


@settings_app.command(
    name="set",
    help_epilogue=examples(
        "rbee settings set queue_max=500",
        "rbee settings set placement.keep_alive_s=1800 routing.default=round-robin",
        "rbee settings set allowed_hosts=bees.example,bees.lan",
    ),
)
async def set_values(
    *changes: Annotated[str, Parameter(help="NAME=VALUE; lists with commas, tables as JSON.")],
    json: JsonFlag = False,
    queen: QueenFlag = None,
) -> None:
    """Change settings of the queen: all of them, or none."""
    if not changes:
        raise InvalidRequest("Nothing was named.", remedy="Write NAME=VALUE.")
    async with queen_client(queen) as client:
        found = SettingsClient(client.transport)
        state = await found.state()
        set_: dict[str, Any] = {}
        for change in changes:
            name, equals, text = change.partition("=")
            if not equals:
                raise InvalidRequest(f"{change!r} is no change.", remedy="Write NAME=VALUE.")
            set_[name.strip()] = value_of(_find(state, name.strip()), text)
        told = await found.change(set_, revision=state.revision)
    _say(told, json=json)


@settings_app.command(
    help_epilogue=examples("rbee settings unset queue_max", "rbee settings unset tls_cert tls_key")
)
async def unset(
    *names: Annotated[str, Parameter(help="Names of settings.")],
    json: JsonFlag = False,
    queen: QueenFlag = None,
) -> None:
    """Go back to the default of settings."""
    if not names:
        raise InvalidRequest("Nothing was named.", remedy="`rbee settings list --set` shows names.")
    async with queen_client(queen) as client:
        told = await SettingsClient(client.transport).change({}, names)
    _say(told, json=json)


def value_of(row: Setting, text: str) -> Any:  # noqa: ANN401  a setting's value is of any type
    """What a person typed, as the setting's type has it.

    Raises:
        InvalidRequest: a table that is no JSON.
    """
    kinds = _kinds(row)
    text = text.strip()
    if "array" in kinds and not text.startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    if kinds <= {"string", "null"}:
        return text
    try:
        return json_text.loads(text)
    except ValueError:
        if kinds & {"object", "array"}:
            raise InvalidRequest(
                f"The value of {row.name} is no JSON: {text[:64]!r}.", param=row.name
            ) from None
        return {"on": True, "yes": True, "off": False, "no": False}.get(text.lower(), text)


def _kinds(row: Setting) -> set[str]:
    schema = row.schema
    parts: list[dict[str, Any]] = schema.get("anyOf", [schema])
    return {str(part.get("type", "string" if "enum" in part else "object")) for part in parts}


async def _state(queen: str | None, hive_id: str | None) -> SettingsState:
    async with queen_client(queen) as client:
        return await SettingsClient(client.transport).state(hive_id)


def _find(state: SettingsState, name: str) -> Setting:
    for row in state.settings:
        if row.name == name:
            return row
    raise InvalidRequest(
        f"There is no setting {name!r}.",
        remedy="`rbee settings list` shows all of them.",
        param=name,
    )


def _say(told: SettingsChanged, *, json: bool) -> None:
    if json:
        out_json(told)
        return
    if told.applied:
        out(f"In force from now on: {', '.join(told.applied)}.")
    if told.restart:
        out(f"Written; in force after the next start: {', '.join(told.restart)}.")
        note("  → `rbee queen stop && rbee queen start`, or restart her unit.")


def _say_waiting(state: SettingsState) -> None:
    if state.problem is not None:
        note(f"config.toml cannot be read: {state.problem}")
    if state.restart:
        note(f"Waiting for a new start: {', '.join(state.restart)}.")
    note(f"They stand in {state.file}.")


def _value(row: Setting) -> str:
    unit = f" {row.unit}" if row.unit and row.value is not None else ""
    coming = f" → {_text(row.next)}" if row.waits else ""
    return f"{_text(row.value)}{unit}{coming}"


def _source(row: Setting) -> str:
    return f"{row.variable}" if row.source == "environment" and row.variable else row.source


def _text(value: object) -> str:
    if value is None or value in ("", [], {}):
        return UNKNOWN
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        parts = cast("list[object]", value)
        if all(isinstance(part, str) for part in parts):
            return ",".join(map(str, parts))
    return json_text.dumps(value)
