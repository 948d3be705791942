"""The command line as a value: commands, their flags, and what kind of word each takes.

It is read off the commands themselves, so that it cannot lag behind them, and kept in
the cache folder: loading every command's file takes longer than a Tab may.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args, get_origin

import msgspec
from cyclopts import App

import rbee
from rbee.contracts.principals import KeyScope
from rbee.foundation import paths
from rbee.foundation.files import write_atomic

Kind: TypeAlias = Literal["", "models", "sources", "hives", "workers", "logs", "keys", "jobs"]
"""Of what the names are that may stand there; empty: nothing that could be listed."""

_FLAGS: Final[dict[str, Kind]] = {
    "--model": "models",
    "--hive-id": "hives",
    "--to": "hives",
    "--from": "hives",
    "--prefer": "hives",
}
_PLACES: Final[dict[str, Kind]] = {
    "MODEL": "models",
    "WORKER": "workers",
    "HIVE_ID": "hives",
    "KEY": "keys",
    "JOB": "jobs",
    "REQUEST": "jobs",
    "WHO": "logs",
}
_SOURCES: Final = frozenset({("model", "download"), ("worker", "spawn"), ("plan",), ("infer",)})
"""Commands whose model need not be here yet."""

_WORDS: Final[dict[tuple[str, ...], tuple[str, ...]]] = {
    ("engine", "install", "NAME"): ("cuda", "rocm", "vulkan", "vllm"),
    ("worker", "spawn", "--worker"): ("auto", "cpu", "cuda", "rocm", "metal", "vulkan"),
    ("keys", "create", "--scope"): get_args(KeyScope),
}
"""Words that the annotations do not tell."""


class Place(msgspec.Struct, frozen=True):
    """A word that a command takes: one of ``words``, or a name of this ``kind``."""

    kind: Kind = ""
    words: tuple[str, ...] = ()
    many: bool = False


class Flag(msgspec.Struct, frozen=True):
    """A flag by all its names; ``place`` is None where no value follows."""

    names: tuple[str, ...]
    about: str
    place: Place | None = None


class Command(msgspec.Struct, frozen=True):
    """One command: what stands below it, its flags, its words in order."""

    about: str
    below: dict[str, "Command"]
    flags: tuple[Flag, ...] = ()
    places: tuple[Place, ...] = ()


class _Kept(msgspec.Struct, frozen=True):
    stamp: str
    tree: Command


def kept_tree(build: Callable[[], App]) -> Command:
    """The tree as it was kept, or made now and kept for the next Tab."""
    stamp, path = _stamp(), paths.cache_dir() / "completion.json"
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=_Kept)
        if kept.stamp == stamp:
            return kept.tree
    except (OSError, msgspec.MsgspecError):
        pass  # none yet, or another version's
    tree = tree_of(build())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, msgspec.json.encode(_Kept(stamp, tree)))
    except OSError:
        pass  # a read-only home completes too, only slower
    return tree


def tree_of(app: App, path: tuple[str, ...] = ()) -> Command:
    """The command ``app`` and all below it that ``--help`` shows."""
    below = {name: tree_of(app[name], (*path, name)) for name in _shown(app)}
    flags: list[Flag] = []
    places: list[Place] = []
    for argument in app.assemble_argument_collection() if app.default_command else ():
        if not argument.show:
            continue
        names = tuple(argument.parameter.name or ())
        about = (argument.parameter.help or "").partition(". ")[0].rstrip(".")
        place = _place(path, names[0], argument.hint)
        if argument.index is None:
            flags.append(Flag(names, about, None if argument.hint is bool else place))
        else:
            places.append(place)
        many = argument.field_info.kind is argument.field_info.VAR_POSITIONAL
        if many and places:
            places[-1] = msgspec.structs.replace(places[-1], many=True)
    flags.append(Flag(("--help",), "Show how it is used"))
    return Command((app.help or "").partition(". ")[0].rstrip("."), below, (*flags,), (*places,))


def _shown(app: App) -> Iterator[str]:
    return (name for name in app if not name.startswith("-") and app[name].show)


def _place(path: tuple[str, ...], name: str, hint: object) -> Place:
    words = _WORDS.get((*path, name)) or tuple(map(str, _literals(hint)))
    kind = _FLAGS.get(name, "") or _PLACES.get(name, "")
    if kind == "models" and path in _SOURCES:
        kind = "sources"
    return Place(kind, words)


def _literals(hint: object) -> tuple[object, ...]:
    """The values of a ``Literal`` in an annotation, also of an optional one."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    return tuple(value for part in get_args(hint) for value in _literals(part))


def _stamp() -> str:
    """Changes with every version, and with every change of a command in a checkout."""
    files = (Path(__file__).parent.parent / "cli").glob("*.py")
    return f"{rbee.__version__}-{max(file.stat().st_mtime_ns for file in files)}"
