"""Every command of the command line, found by walking it: help, examples, ``--json``."""

import re

import pytest

from rbee.__main__ import run, whole_app
from rbee.keeper.cli.frame import LATER
from rbee.keeper.completion.tree import Command, tree_of

COLUMNS = 80

# Commands without --json, each with what its output is instead.
NO_JSON = {
    "chat": "a conversation",
    "completion": "a script for a shell",
    "hive run": "a daemon's log",
    "keeper": "opens a window",
    "login": "asks a person",
    "logout": "says one line",
    "logs": "a log as it was written",
    "queen run": "a daemon's log",
    "top": "a screen",
    "up": "stays, and says what changes",
    "worker logs": "a log as it was written",
}


def leaves(command: Command, path: tuple[str, ...] = ()) -> dict[str, Command]:
    if not command.below:
        return {" ".join(path): command}
    found: dict[str, Command] = {}
    for name, child in command.below.items():
        found |= leaves(child, (*path, name))
    return found


TREE = tree_of(whole_app(("queen", "hive")))
COMMANDS = leaves(TREE)


def test_the_walk_finds_them_all() -> None:
    assert {"infer", "hive run", "worker spawn", "model list", "completion", "top"} <= set(COMMANDS)
    assert not {name.partition(" ")[0] for name in COMMANDS} & set(LATER)


@pytest.mark.parametrize("name", COMMANDS)
def test_it_says_what_it_does_with_examples_to_copy(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    assert run([*name.split(), "--help"]) == 0
    said = capsys.readouterr().out
    usage, _, rest = said.partition("\n")
    assert usage.startswith(f"Usage: rbee {name}")
    assert rest.strip()[0].isalpha(), "no summary"
    examples = said.partition("Examples:")[2]
    assert re.search(rf"^  (\w+=\S+ |.*\| |eval \"\$\()?rbee {name}\b", examples, re.MULTILINE), (
        "no example of its own"
    )
    assert "[default: ()]" not in said
    assert max(len(line) for line in said.partition("Examples:")[0].splitlines()) <= COLUMNS


@pytest.mark.parametrize("name", [name for name, found in TREE.below.items() if found.below])
def test_a_group_of_commands_has_examples_too(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([name, "--help"]) == 0
    assert f"  rbee {name} " in capsys.readouterr().out.partition("Examples:")[2]


@pytest.mark.parametrize("name", COMMANDS)
def test_it_speaks_json_or_has_a_reason_not_to(name: str) -> None:
    has_json = any("--json" in flag.names for flag in COMMANDS[name].flags)
    assert has_json != (name in NO_JSON)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_flag_says_what_it_is_for(name: str) -> None:
    assert not [flag.names for flag in COMMANDS[name].flags if not flag.about]


def test_reasons_are_of_commands_that_exist() -> None:
    assert set(NO_JSON) <= set(COMMANDS)
