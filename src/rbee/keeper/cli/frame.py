"""The list of all commands. The front door builds it and runs what was typed.

The rule: nothing is imported here but the list, so that ``rbee --version`` and
``rbee --help`` are instant; a command's file is imported when it is called.
Commands of later versions are known, hidden, and say ``not yet``.
"""

from cyclopts import App, Group, Parameter

from rbee import __version__

_USE = Group("Use a model", sort_key=1)
_COLONY = Group("Run a colony", sort_key=2)
_LOOK = Group("Look inside", sort_key=3)

_COMMANDS: tuple[tuple[str, Group, str], ...] = (
    ("infer", _USE, "Ask a model once; the answer goes to stdout."),
    ("chat", _USE, "Talk with a model."),
    ("model", _USE, "Download, list and delete models."),
    ("up", _COLONY, "Start a colony on this machine, with a first model."),
    ("down", _COLONY, "Stop the colony on this machine."),
    ("keeper", _COLONY, "The console in a window of its own."),
    ("queen", _COLONY, "The queen: takes requests and routes them."),
    ("login", _COLONY, "Use a colony on other machines: trust it, and keep a key for it."),
    ("logout", _COLONY, "Trust a colony no longer, and forget its key."),
    ("hive", _COLONY, "The hive: owns this machine's devices, models and workers."),
    ("worker", _COLONY, "Workers: one model in one process each."),
    ("keys", _COLONY, "API keys for clients and teams."),
    ("settings", _COLONY, "The queen's settings: look at them and change them."),
    ("engine", _COLONY, "Engines: the programs that run models on a hive."),
    ("status", _LOOK, "The colony at a glance."),
    ("requests", _LOOK, "What waits and runs in the colony; cancel one of them."),
    ("why", _LOOK, "Why a request went where it went."),
    ("plan", _LOOK, "What a request for a model would lead to, without doing it."),
    ("logs", _LOOK, "Show the logs of the queen, the hive or a worker."),
    ("top", _LOOK, "Watch the colony live: hives, GPUs, workers, models, requests."),
    ("doctor", _LOOK, "Look for what is wrong here, and say what to do."),
    ("completion", _LOOK, "Have your shell complete commands, flags and names."),
)

_FILES = {"down": "up", "logout": "login"}
"""Commands that share a file with their opposite."""

LATER = ("drill", "bench")
"""Commands that wire.md describes and this version does not have."""

_EPILOGUE = """\
First steps:

  rbee up                          start everything, with a small first model
  rbee infer -m starter "Say hi"   ask once
  rbee chat                        talk
  rbee top                         watch

`rbee COMMAND --help` shows a command's flags and examples."""


def make_app() -> App:
    """The whole command line, with nothing loaded yet."""
    app = App(
        name="rbee",
        help="Many machines, with GPUs or without, become one private AI endpoint.",
        help_epilogue=_EPILOGUE,
        help_format="plaintext",
        version=__version__,
        version_flags=["--version", "-V"],
        default_parameter=Parameter(negative=()),
        suppress_keyboard_interrupt=False,
    )
    flags = Group("Flags", sort_key=9)
    for flag in ("--help", "--version"):
        app[flag].group = flags
    for name, group, summary in _COMMANDS:
        app.command(
            f"rbee.keeper.cli.{_FILES.get(name, name)}:{name}_app",
            name=name,
            group=group,
            help=summary,
        )
    for name in LATER:
        app.command("rbee.keeper.cli.later:later", name=name, show=False)
    return app


def examples(*lines: str) -> str:
    """The end of a command's help: lines to copy."""
    return "\n".join(["Examples:", "", *(f"  {line}" for line in lines)])
