"""The command line as it was published, and every command that the documents show."""

import re
import shlex
from pathlib import Path

import pytest
from cyclopts import App

from rbee.__main__ import whole_app
from rbee.errors import NotYet
from rbee.keeper.cli.frame import LATER
from wire.table import COMMANDS, Word

ROOT = Path(__file__).parents[2]


def app_for(words: list[str]) -> App:
    return whole_app(words[:1])


def shown(document: str) -> list[str]:
    """Every `rbee …` line of the sh blocks, and every inline `rbee …`, without comments."""
    text = (ROOT / document).read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("rbee ")]
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return [*lines, *re.findall(r"`(rbee [a-z][^`]*)`", prose)]


@pytest.mark.parametrize("word", COMMANDS, ids=lambda word: word.text)
def test_a_published_command_is_known(word: Word) -> None:
    words = word.text.split()
    node = app_for(words)
    for part in words:
        assert part in set(node), f"`rbee {word.text}` is not known"
        node = node[part]


@pytest.mark.parametrize("name", LATER)
def test_a_later_command_says_so(name: str) -> None:
    with pytest.raises(NotYet, match="not in version"):
        app_for([name])([name], exit_on_error=False, print_error=False)


@pytest.mark.parametrize("document", ["README.md", "docs/decisions/0002-processes-and-shim.md"])
def test_every_command_that_a_document_shows_can_be_typed(document: str) -> None:
    for line in shown(document):
        words = shlex.split(line, comments=True)[1:]
        app_for(words).parse_args(words, exit_on_error=False, print_error=False)


def test_the_readme_shows_commands() -> None:
    assert len(shown("README.md")) > 5
