"""Any command that serves the OpenAI API: ``[[hive.commands]]`` in config.toml.

The command is a list of words, run without a shell; ``{port}`` and ``{model}`` in
them are filled in. It serves on a loopback port of its own behind our relay
(``rbee.worker``, engine ``upstream``), which has the key, counts the slots, and
ends it with its whole group. Only the settings can name a command: a request
chooses one by its name.
"""

import shutil
from typing import Final

import msgspec

from rbee.contracts.hives import DeviceType
from rbee.hive.engine_settings import CommandSettings, Takes
from rbee.hive.engines.engine import (
    Adapter,
    Launch,
    LaunchSpec,
    Place,
    engine_env,
    worker_argv,
)

_MODEL: Final = "{model}"


class Command(Adapter):
    """One configured command."""

    unary_cancel = True

    def __init__(self, settings: CommandSettings) -> None:
        self._settings = settings
        self.name = settings.name.strip().lower()
        self.takes: Takes = settings.model
        self.device_types: frozenset[DeviceType] = frozenset(settings.device_types)

    def missing(self) -> str | None:
        """Whether its program is there."""
        program = self._settings.argv[0]
        return None if shutil.which(program) else f"there is no program {program}"

    def version(self) -> str | None:
        """Nobody knows."""
        return None

    def launch(self, spec: LaunchSpec, place: Place) -> Launch:
        """A relay of ours that starts the command. ``{port}`` is the relay's to fill in."""
        model = spec.model_path or spec.model
        child = [word.replace(_MODEL, model) for word in self._settings.argv]
        child[0] = shutil.which(child[0]) or child[0]
        more = ["--child", msgspec.json.encode(child).decode()]
        more += ["--health", self._settings.health, "--upstream-model", model]
        return Launch(
            argv=worker_argv(spec, place, model_path=model, engine="upstream", more=more),
            env=engine_env(place, {**self._settings.env, **spec.env}),
        )
