"""A room's settings as its operators see and change them; the same for every room.

Rows come from the room's own struct: its docstrings, its types, its defaults. A change is checked
whole before anything is written: each value by its type, then all of them together, then by the
room itself, so that no change keeps it from starting again. It goes into ``config.toml``
(``foundation.config_file``); what may change at once is handed to the room, the rest waits for a
new start. A value that a flag or the environment gives is not changed here: the file would not
count. Files are read and written in the caller's thread.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable, Collection, Mapping
from itertools import pairwise
from typing import Any, Final, Generic, Literal, TypeVar, cast

import msgspec
import tomlkit

from rbee.contracts.settings import (
    RefusedSetting,
    Setting,
    SettingsChange,
    SettingsChanged,
    SettingsState,
    Source,
)
from rbee.errors import BadSettings, Conflict, InvalidRequest, RbeeError
from rbee.foundation import config, config_file
from rbee.foundation.wrong_values import CANNOT, MASK, masked, wrong_value

REFUSED_SHOWN_MAX: Final = 5
"""In an error's text, which a person reads; ``data`` has them all."""

T = TypeVar("T", bound=msgspec.Struct)

OTHER: Final = "Other"
"""The group of a setting that nobody gave one; a test finds it."""

_UNITS: Final = (
    ("_mb_s", "MB/s"),
    ("_s", "s"),
    ("_gb", "GB"),
    ("_mb", "MiB"),
    ("_bytes_max", "bytes"),
)


class Room(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """What a book must know of a room.

    ``groups`` has the group of each field, in the order of the page. ``live`` are fields that can
    change at once, ``locked`` those that nobody changes here, with the reason. ``check`` refuses
    settings that the room could not start with; ``adopt`` takes over what is live.
    """

    name: Literal["queen", "hive"]
    type: type[T]
    groups: Mapping[str, str]
    live: Collection[str] = ()
    locked: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])
    check: Callable[[T], None] = lambda _settings: None
    adopt: Callable[[T], None] = lambda _settings: None


class SettingsBook(Generic[T]):
    """The settings of one running room. ``running`` are those that are in force."""

    def __init__(self, room: Room[T], running: T) -> None:
        self._room = room
        self._flags = config.flags_of(room.name)
        self._leaves = dict(_leaves_of(room.type))
        self.running = running

    def state(self) -> SettingsState:
        """All settings as they are now."""
        text, stands, problem = "", cast("Mapping[str, Any]", {}), None
        loaded = self.running
        try:
            text = config_file.read()
            stands = config.section_of(text, self._room.name)
            loaded = config.filled(self._room.name, self._room.type, stands, self._flags)
        except BadSettings as error:
            problem = error.message
        rows = [self._row(name, leaf, loaded, stands) for name, leaf in self._leaves.items()]
        return SettingsState(
            room=self._room.name,
            revision=config_file.revision(text),
            file=str(config_file.path()),
            settings=rows,
            restart=[row.name for row in rows if row.waits],
            problem=problem,
        )

    def write(self, wish: SettingsChange) -> T:
        """Write a change into the file, all of it or nothing; returns what it says now.

        Raises:
            Conflict: the file is not the one that the change was made for.
            InvalidRequest: a value cannot be so; ``data`` has a ``RefusedSetting`` for each.
            BadSettings: the file cannot be read or is no TOML.
            StorageError: the file cannot be written.
        """
        text = config_file.read()
        if wish.revision is not None and wish.revision != config_file.revision(text):
            raise Conflict(
                "The settings were changed by somebody else in the meantime.",
                remedy="Look at them as they are now, and make the change again.",
            )
        set_ = self._checked(wish)
        after = config_file.changed(text, self._room.name, set_, [*wish.unset, *_nulls(wish)])
        loaded = self._trial(after, [*wish.set, *wish.unset])
        if after != text:
            config_file.write(after)
        return loaded

    def adopt(self, loaded: T) -> None:
        """Let count at once what can; called by whoever owns the room's parts."""
        live = {name: getattr(loaded, name) for name in self._room.live}
        before, self.running = self.running, msgspec.structs.replace(self.running, **live)
        if self.running != before:
            self._room.adopt(self.running)

    def told(self, wish: SettingsChange, state: SettingsState) -> SettingsChanged:
        """What became of a change, for who wished it."""
        named, waiting = {*wish.set, *wish.unset}, set(state.restart)
        return SettingsChanged(
            applied=sorted(named - waiting), restart=sorted(named & waiting), state=state
        )

    # ── checks ───────────────────────────────────────────────────────────────

    def _checked(self, wish: SettingsChange) -> dict[str, Any]:
        """The values to write, each of the type that it must have."""
        found: dict[str, Any] = {}
        refused: list[RefusedSetting] = []
        for name in dict.fromkeys([*wish.set, *wish.unset]):
            value = wish.set.get(name)
            try:
                self._check_name(name, twice=name in wish.set and name in wish.unset)
                if value is not None:
                    found[name] = self._value(name, value)
            except InvalidRequest as error:
                refused.append(RefusedSetting(name=name, reason=error.message))
        if refused:
            raise _refusal(refused)
        return found

    def _check_name(self, name: str, *, twice: bool) -> None:
        if name not in self._leaves:
            raise InvalidRequest(f"There is no setting {name!r}.")
        if (why := self._lock_of(name)) is not None:
            raise InvalidRequest(why)
        if twice:
            raise InvalidRequest("It is both set and unset.")

    def _value(self, name: str, value: object) -> object:
        if _has_mask(value):
            raise InvalidRequest("The password in it is hidden: write the whole value.")
        try:
            typed = msgspec.convert(value, type=self._leaves[name].type)
        except (msgspec.ValidationError, ValueError) as error:
            where, why = wrong_value(error, value, self._leaves[name].type)
            raise InvalidRequest(f"{where}: {why}." if where else f"{why}.") from None
        return _as_toml(typed)

    def _trial(self, text: str, names: list[str]) -> T:
        """The settings that the new text would give at the next start.

        Raises:
            InvalidRequest: the room could not start with them.
        """
        try:
            content = config.section_of(text, self._room.name)
            loaded = config.filled(self._room.name, self._room.type, content, self._flags)
            self._room.check(loaded)
        except RbeeError as error:
            _, _, why = error.message.rpartition(CANNOT)
            at_fault = [name for name in names if name == error.param] or [
                name for name in names if name.rpartition(".")[2] in why
            ]
            rows = [RefusedSetting(name=name, reason=why) for name in at_fault or names]
            raise _refusal(rows, error) from None
        return loaded

    # ── rows ─────────────────────────────────────────────────────────────────

    def _row(self, name: str, leaf: "_Leaf", loaded: T, stands: Mapping[str, Any]) -> Setting:
        value, coming = _at(self.running, name), _at(loaded, name)
        waits = value != coming
        shown, is_masked = _shown(value)
        return Setting(
            name=name,
            group=self._room.groups.get(name.partition(".")[0], OTHER),
            about=leaf.about,
            value=shown,
            default=_shown(leaf.default)[0],
            source=self._source(name, stands),
            schema=leaf.schema,
            live=name.partition(".")[0] in self._room.live,
            unit=leaf.unit,
            variable=self._variable(name),
            locked=self._lock_of(name),
            masked=is_masked,
            waits=waits,
            next=_shown(coming)[0] if waits else None,
        )

    def _source(self, name: str, stands: Mapping[str, Any]) -> Source:
        if name in self._flags:
            return "flag"
        if config.from_environment(self._room.name, name):
            return "environment"
        *above, last = name.split(".")
        for part in above:
            stands = cast("Mapping[str, Any]", stands.get(part, {}))
        return "file" if last in stands else "default"

    def _variable(self, name: str) -> str | None:
        return None if "." in name else config.variable_of(self._room.name, name)

    def _lock_of(self, name: str) -> str | None:
        top = name.partition(".")[0]
        if top in self._room.locked:
            return self._room.locked[top]
        if name in self._flags:
            return (
                f"The command line says it (--{name.replace('_', '-')}): the file does not count."
            )
        if config.from_environment(self._room.name, name):
            return f"The environment says it ({self._variable(name)}): the file does not count."
        return None


class _Leaf(msgspec.Struct, frozen=True, kw_only=True):
    """One setting as its struct declares it."""

    type: Any
    default: Any
    about: str
    schema: dict[str, Any]
    unit: str | None


def _leaves_of(type_: type[msgspec.Struct], prefix: str = "") -> list[tuple[str, _Leaf]]:
    """All settings of a struct; those of a struct in it below its name."""
    abouts = attribute_docs(type_)
    found: list[tuple[str, _Leaf]] = []
    for field in msgspec.structs.fields(type_):
        name = f"{prefix}{field.encode_name}"
        kind: Any = field.type
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            found += _leaves_of(kind, f"{name}.")
            continue
        default = (
            field.default
            if field.default_factory is msgspec.NODEFAULT
            else cast("Callable[[], object]", field.default_factory)()
        )
        leaf = _Leaf(
            type=kind,
            default=default,
            about=abouts.get(field.name, ""),
            schema=msgspec.json.schema(kind),
            unit=next((unit for end, unit in _UNITS if field.name.endswith(end)), None),
        )
        found.append((name, leaf))
    return found


def attribute_docs(type_: type) -> dict[str, str]:
    """The strings that stand below a class's fields, in one line each."""
    try:
        source = textwrap.dedent(inspect.getsource(type_))
    except OSError:  # installed without its sources: nothing can be said
        return {}
    body = cast("ast.ClassDef", ast.parse(source).body[0]).body
    return {
        field.target.id: " ".join(text.value.value.split()).replace("``", "`")
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


def _at(settings: object, name: str) -> Any:  # noqa: ANN401  a setting's value is of any type
    for part in name.split("."):
        settings = getattr(settings, part)
    return settings


def _shown(value: object) -> tuple[Any, bool]:
    """A value as JSON has it, without passwords in URLs; whether one was left out."""
    plain = msgspec.to_builtins(value, order="sorted")
    shown = masked(plain)
    return shown, shown != plain


def _has_mask(value: object) -> bool:
    return MASK in msgspec.json.encode(value).decode()


def _as_toml(value: object) -> Any:  # noqa: ANN401  any TOML value
    """A value as a file may hold it: there is no null in TOML."""
    return tomlkit.item(_without_nulls(msgspec.to_builtins(value, order="sorted")))


def _without_nulls(value: object) -> object:
    match value:
        case list():
            return [_without_nulls(part) for part in cast("list[object]", value)]
        case dict():
            parts = cast("dict[str, object]", value).items()
            return {key: _without_nulls(part) for key, part in parts if part is not None}
        case _:
            return value


def _nulls(wish: SettingsChange) -> list[str]:
    """Null means the default, as for everybody who leaves a setting out."""
    return [name for name, value in wish.set.items() if value is None]


def _refusal(rows: list[RefusedSetting], cause: RbeeError | None = None) -> InvalidRequest:
    told = [f"`{row.name}`{CANNOT}{row.reason}" for row in rows[:REFUSED_SHOWN_MAX]]
    if len(rows) > REFUSED_SHOWN_MAX:
        told.append(f"({len(rows)} settings are refused in all.)")
    return InvalidRequest(
        " ".join(told),
        remedy=cause.remedy if cause is not None else "Nothing was changed; mend it and try again.",
        param=rows[0].name,
        data=rows,
    )
