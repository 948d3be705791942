"""Settings as people see and change them: ``GET`` and ``PATCH /v1/settings``.

A setting's name is its place below its room's section: ``queue_max``,
``placement.keep_alive_s``. What is secret in a value never leaves the server.
"""

from typing import Annotated, Any, Final, Literal

import msgspec

NAME_LENGTH_MAX: Final = 128  # a setting's name: two words and a dot
CHANGES_MAX: Final = 200  # more settings than there are

Source = Literal["flag", "environment", "file", "default"]
"""Where a value comes from, strongest first: what stands further left wins."""

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_LENGTH_MAX)]


class Setting(msgspec.Struct, kw_only=True):
    """One setting.

    ``value`` is in force now. ``schema`` (JSON schema) says what it may be, with ``default``,
    ``unit`` and ``about``, which says what it is for and why it is limited. ``live``: a change counts at
    once; else the server has to be started anew, and ``waits`` says that ``next`` stands ready
    for that. ``locked`` says why it cannot be changed here, null: it can. ``variable`` is the
    environment's name for it. ``masked``: a part of the value is a secret and not shown.
    """

    name: str
    group: str
    about: str
    value: Any
    default: Any
    source: Source
    schema: dict[str, Any]
    live: bool
    unit: str | None = None
    variable: str | None = None
    locked: str | None = None
    masked: bool = False
    waits: bool = False
    next: Any = None


class SettingsState(msgspec.Struct, kw_only=True):
    """``GET /v1/settings``. ``revision`` is that of ``file``, and goes into a change.

    ``problem`` says why the file cannot be read, if so: it counts no more until it is mended.
    ``restart`` names the settings that wait for a new start.
    """

    room: Literal["queen", "hive"]
    revision: str
    file: str
    settings: list[Setting]
    restart: list[str]
    problem: str | None = None


class SettingsChange(msgspec.Struct, kw_only=True):
    """``PATCH /v1/settings``: all of it, or nothing.

    ``set`` are new values by name, ``unset`` goes back to the default. With ``revision`` the
    change counts only if nobody has changed the file since.
    """

    set: Annotated[dict[str, Any], msgspec.Meta(max_length=CHANGES_MAX)] = msgspec.field(
        default_factory=dict[str, Any]
    )
    unset: Annotated[list[Name], msgspec.Meta(max_length=CHANGES_MAX)] = msgspec.field(
        default_factory=list[str]
    )
    revision: str | None = None


class SettingsChanged(msgspec.Struct, kw_only=True):
    """The answer to a change: what counts now, what waits for a restart, and all of it anew."""

    applied: list[str]
    restart: list[str]
    state: SettingsState


class RefusedSetting(msgspec.Struct, kw_only=True):
    """One row of a refusal's ``data``: why this setting cannot be so."""

    name: str
    reason: str
