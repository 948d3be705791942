"""Engines that the operator adds in config.toml: servers by URL, and commands.

Part of ``HiveSettings``; ``engines/openai_url`` and ``engines/command`` make workers
of them.
"""

from typing import Final, Literal

import msgspec

from rbee.contracts.hives import DeviceType

Takes = Literal["file", "folder", "name"]
"""What an engine loads: a file of the catalogue; a folder of the operator's, else such a
file; or a name that means something to it alone."""

_PORT: Final = "{port}"


class UpstreamSettings(msgspec.Struct, frozen=True, kw_only=True):
    """``[[hive.upstreams]]``: a server by name, and the file (mode 0600) with its key."""

    name: str
    url: str
    key_file: str | None = None
    model: str | None = None
    """What it calls the model, where that is not the name that the colony uses."""


class CommandSettings(msgspec.Struct, frozen=True, kw_only=True):
    """``[[hive.commands]]``: an engine of the operator's own.

    ``model`` says what ``{model}`` is: a ``file`` of the catalogue (brought if it is
    missing), a ``folder`` of the operator's, or the ``name`` as it was asked for,
    which is then also what the server must call it. ``health`` is the path that
    answers 200 once it is ready.
    """

    name: str
    argv: list[str]
    health: str = "/health"
    model: Takes = "file"
    device_types: list[DeviceType] = msgspec.field(default_factory=lambda: ["cpu"])
    env: dict[str, str] = msgspec.field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        """Refuse what could never serve."""
        if not self.name.strip() or not self.argv:
            raise ValueError("a command wants a `name` and an `argv` list")
        if not any(_PORT in word for word in self.argv):
            raise ValueError(f"the command {self.name!r} has no {_PORT} in its `argv`")
        if not self.health.startswith("/"):
            raise ValueError(f"the `health` of {self.name!r} is a path: it begins with /")
