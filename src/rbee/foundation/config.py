"""Settings: command line flag > environment > ``config.toml`` > default.

A room describes its settings as one msgspec struct; this module fills it. The
section of ``config.toml`` has the room's name, and the variable for ``[queen]
port`` is ``RBEE_QUEEN_PORT``.
"""

import os
import re
import secrets
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec

from rbee.errors import BadSettings, StorageError
from rbee.foundation import paths
from rbee.foundation.files import make_private_dir, write_atomic
from rbee.foundation.wrong_values import CANNOT, wrong_value

T = TypeVar("T", bound=msgspec.Struct)
V = TypeVar("V")

COLONY_KEY_VARIABLE = "RBEE_API_KEY"
_KEY_BYTES = 32  # 256 bits: nobody guesses it, whatever it is hashed with
SECTIONS = ("queen", "hive", "keeper")

_flags: dict[str, dict[str, Any]] = {}  # a fact about this process, like its environment


def load(section: str, type_: type[T], flags: Mapping[str, Any] | None = None) -> T:
    """Fill ``type_`` from all sources. A flag that is None was not given.

    Raises:
        BadSettings: the file is not TOML, or a value has the wrong type; the
            message names the source.
    """
    _flags[section] = {n: v for n, v in (flags or {}).items() if v is not None}
    return filled(section, type_, _file_section(section), flags)


def flags_of(section: str) -> Mapping[str, Any]:
    """What the command line of this process said of a section, when it was loaded."""
    return _flags.get(section, {})


def filled(
    section: str, type_: type[T], content: Mapping[str, Any], flags: Mapping[str, Any] | None = None
) -> T:
    """As ``load``, with ``content`` for the file's section.

    Raises:
        BadSettings: as ``load``.
    """
    values: dict[str, Any] = dict(content)
    _refuse_unknown(section, values, type_)
    for field in msgspec.structs.fields(type_):
        variable = variable_of(section, field.name)
        text = os.environ.get(variable)
        if text is not None:
            values[field.encode_name] = _parsed(text, field.type, variable)
    values.update({name: value for name, value in (flags or {}).items() if value is not None})
    try:
        return msgspec.convert(values, type=type_, strict=False)
    except msgspec.ValidationError as error:
        where, why = wrong_value(error, values, type_)
        source = _source(section, where, flags or {})
        raise BadSettings(f"{source}{CANNOT}{why}.", param=where) from None


def variable_of(section: str, name: str) -> str:
    """The environment's name for a setting."""
    return f"RBEE_{section}_{name}".upper()


def from_environment(section: str, name: str) -> bool:
    """Whether the environment gives a setting; nothing below a table can be given so."""
    return "." not in name and variable_of(section, name) in os.environ


def section_of(text: str, section: str) -> dict[str, Any]:
    """A section of a ``config.toml`` with this text.

    Raises:
        BadSettings: it is no TOML, or the section is no table.
    """
    return _section_of(text.encode(), section, paths.config_dir() / "config.toml")


def one(section: str, name: str, type_: type[V], default: V) -> V:
    """One setting of another room, for a caller that does not know that room's struct.

    Raises:
        BadSettings: the file is not TOML, or the value has the wrong type.
    """
    variable = variable_of(section, name)
    text = os.environ.get(variable)
    if text is not None:
        return cast("V", _parsed(text, type_, variable))
    value = _file_section(section).get(name, default)
    try:
        return msgspec.convert(value, type=type_)
    except msgspec.ValidationError as error:
        where, why = wrong_value(error, value, type_)
        source = _source(section, f"{name}{where}", {})
        raise BadSettings(f"{source}{CANNOT}{why}.") from None


def colony_key() -> str | None:
    """The one key of this colony, or None. From ``RBEE_API_KEY`` or the file ``api_key``.

    The file stands in the config directory and holds the key alone.
    """
    text = os.environ.get(COLONY_KEY_VARIABLE, "").strip()
    if text:
        return text
    try:
        return colony_key_file().read_text(encoding="utf-8").strip() or None
    except OSError:
        return None


def colony_key_file() -> Path:
    """Where the colony's key is kept."""
    return paths.config_dir() / "api_key"


def make_colony_key() -> Path:
    """Make the colony's key and keep it, readable for this user alone; returns its file.

    Raises:
        StorageError: the config directory cannot be written.
    """
    path = colony_key_file()
    try:
        make_private_dir(path.parent)
        write_atomic(path, f"{secrets.token_urlsafe(_KEY_BYTES)}\n".encode())
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written: {error.strerror}.",
            remedy="Check the disk and the permissions, or set RBEE_CONFIG_DIR.",
        ) from None
    return path


def _file_section(section: str) -> dict[str, Any]:
    path = paths.config_dir() / "config.toml"
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise BadSettings(f"{path} cannot be read: {error.strerror}.") from None
    return _section_of(content, section, path)


def _section_of(content: bytes, section: str, path: Path) -> dict[str, Any]:
    try:
        whole = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSettings(f"{path} is not valid TOML: {error}.") from None
    for name in whole:
        if name not in SECTIONS:
            raise BadSettings(
                f"{path} has an unknown section or setting `{name}`.",
                remedy=f"Settings stand in one of: {', '.join(f'[{known}]' for known in SECTIONS)}.",
            )
    found = whole.get(section, {})
    if not isinstance(found, dict):
        raise BadSettings(f"[{section}] in {path} is not a table.")
    return cast("dict[str, Any]", found)


def _source(section: str, where: str, flags: Mapping[str, Any]) -> str:
    """Who said a value: a flag of the command line, or the file."""
    top = re.split(r"[.\[]", where, maxsplit=1)[0]
    if flags.get(top) is not None:
        return f"--{top.replace('_', '-')}"
    return f"`{where}` in [{section}] of {paths.config_dir() / 'config.toml'}"


def _refuse_unknown(section: str, values: Mapping[str, Any], type_: type[msgspec.Struct]) -> None:
    known = {field.encode_name for field in msgspec.structs.fields(type_)}
    for name in values:
        if name not in known:
            raise BadSettings(
                f"config.toml has an unknown setting `{name}` in [{section}].",
                remedy=f"The settings there are: {', '.join(sorted(known))}.",
            )


def _parsed(text: str, type_: object, variable: str) -> object:
    """Read an environment variable as TOML would; lists are comma-separated."""
    value: object = text
    if "list" in str(type_):
        value = [part.strip() for part in text.split(",") if part.strip()]
    try:
        return msgspec.convert(value, type=type_, strict=False)
    except msgspec.ValidationError as error:
        where, why = wrong_value(error, value, type_)
        raise BadSettings(f"{variable}{where}{CANNOT}{why}.") from None
