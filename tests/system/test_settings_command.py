"""``rbee settings`` of a real queen and hive: looked at, changed, refused, kept over a restart."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rbee.testing.operator import Operator
from rbee.testing.workers import free_port

pytestmark = pytest.mark.system

FILE = """\
# The office's bees.
[queen]
queue_max = 700   # enough for all desks
# words come later

[queen.placement]
keep_alive_s = 600  # ten minutes

[hive]
labels = ["gpu", "room-2"] # where it stands
"""


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """A queen and a hive that read a file with comments."""
    with Operator(tmp_path_factory.mktemp("settings")) as found:
        found.env |= {"RBEE_HIVE_DISCOVER": "0", "RBEE_HIVE_HIVE_ID": "attic"}
        found.env["RBEE_QUEEN_ANNOUNCE"] = "false"
        config(found).parent.mkdir()
        config(found).write_text(FILE)
        said(found, "queen", "start")
        said(found, "hive", "start")
        yield found


@pytest.fixture(autouse=True)
def as_it_was(operator: Operator) -> Iterator[None]:
    yield
    if config(operator).read_text() != FILE:
        config(operator).write_text(FILE)
        said(operator, "settings", "set", "queue_max=700", "placement.keep_alive_s=600")
        config(operator).write_text(FILE)


def config(operator: Operator) -> Path:
    return operator.root / "config" / "config.toml"


def said(operator: Operator, *words: str, code: int = 0) -> str:
    """Both streams of a command."""
    ran = operator.rbee(*words)
    text = f"{ran.stdout}{ran.stderr}"
    assert ran.returncode == code, text
    assert "Traceback" not in text
    return " ".join(text.split())


def rows(operator: Operator, *words: str) -> dict[str, dict[str, Any]]:
    ran = operator.rbee("settings", "list", *words, "--json")
    return {row["name"]: row for row in json.loads(ran.stdout)}


def test_values_and_where_they_come_from(operator: Operator) -> None:
    found = rows(operator)
    sources = {
        name: (found[name]["value"], found[name]["source"])
        for name in ("queue_max", "placement.keep_alive_s", "port", "announce", "wait_max_s")
    }
    assert sources == {
        "queue_max": (700, "file"),
        "placement.keep_alive_s": (600.0, "file"),
        "port": (operator.queen_port, "environment"),
        "announce": (False, "environment"),
        "wait_max_s": (300.0, "default"),
    }
    assert set(rows(operator, "--set")) == {
        "queue_max", "placement.keep_alive_s", "port", "announce",
    }  # fmt: skip
    table = said(operator, "settings", "list", "--set")
    assert "RBEE_QUEEN_PORT" in table
    assert str(config(operator)) in table
    one = said(operator, "settings", "get", "queue_max")
    assert one.startswith("700 ")
    assert "It comes from: file. Default: 1000." in one

    theirs = rows(operator, "--hive-id", "attic")
    assert (theirs["labels"]["value"], theirs["labels"]["source"]) == (["gpu", "room-2"], "file")
    assert theirs["port"]["value"] == operator.hive_port
    assert theirs["labels"]["locked"]


def test_changes_count_at_once_or_after_a_restart_and_the_comments_stay(
    operator: Operator,
) -> None:
    pages = free_port()
    told = said(
        operator, "settings", "set", "queue_max=500", f"pages_port={pages}",
        "placement.keep_alive_s=1800", "media_hosts=bees.example,bees.lan",
    )  # fmt: skip
    assert "In force from now on: media_hosts, placement.keep_alive_s, queue_max." in told
    assert "in force after the next start: pages_port." in told
    text = config(operator).read_text()
    for kept in (
        "# The office's bees.\n",
        "queue_max = 500   # enough for all desks\n",
        "# words come later\n",
        "# ten minutes\n",
        'labels = ["gpu", "room-2"] # where it stands\n',
    ):
        assert kept in text
    assert 'media_hosts = ["bees.example", "bees.lan"]' in text

    found = rows(operator)
    assert (found["queue_max"]["value"], found["queue_max"]["waits"]) == (500, False)
    waiting = found["pages_port"]
    assert (waiting["value"], waiting["next"], waiting["waits"]) == (None, pages, True)
    assert "Waiting for a new start: pages_port." in said(operator, "settings", "list", "pages")
    assert f"{pages} waits for a new start" in said(operator, "settings", "get", "pages_port")

    said(operator, "queen", "stop")
    said(operator, "queen", "start")
    again = rows(operator)
    assert (again["pages_port"]["value"], again["pages_port"]["waits"]) == (pages, False)
    assert again["queue_max"]["value"] == 500

    assert "queue_max" in said(operator, "settings", "unset", "queue_max", "pages_port")
    last = rows(operator)
    assert (last["queue_max"]["value"], last["queue_max"]["source"]) == (1000, "default")
    assert "queue_max" not in config(operator).read_text()
    assert "# The office's bees.\n" in config(operator).read_text()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (["pages_port=70000"], "`pages_port` cannot be so: 70000 is not a whole number from 0 to 65535."),
        (["queue_max=many"], "`queue_max` cannot be so: 'many' is not a whole number of at least 1."),
        (["queue_max=1", "log_level=loud"], "`log_level` cannot be so: 'loud' is not one of debug,"),
        (["placement.keep_alive_s=-1"], "`placement.keep_alive_s` cannot be so: it is -1"),
        (["routing.default=guessing"], "'guessing' is not one of latency-aware,"),
        (["announce=perhaps"], "`announce` cannot be so: The environment says it (RBEE_QUEEN_ANNOUNCE)"),
        (["store=papyrus"], "`store` names no store."),
        (["queue_maxx=1"], "There is no setting 'queue_maxx'."),
        (["queue_max"], "Write NAME=VALUE."),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_and_nothing_is_written(
    operator: Operator, change: list[str], reason: str
) -> None:
    ran = operator.rbee("settings", "set", *change)
    assert ran.returncode in {1, 2}
    assert reason in " ".join(ran.stderr.split())
    assert "  → " in ran.stderr
    assert config(operator).read_text() == FILE


def test_several_are_refused_together(operator: Operator) -> None:
    told = said(operator, "settings", "set", "queue_max=0", "wait_max_s=0", code=2)
    assert "`queue_max` cannot be so: 0 is not a whole number of at least 1." in told
    assert "`wait_max_s` cannot be so: 0 is not a number above 0." in told


def test_wrong_names_to_look_at(operator: Operator) -> None:
    assert "There is no setting 'bees'" in said(operator, "settings", "get", "bees", code=2)
    assert "bees" in said(operator, "settings", "unset", "bees", code=2)
    assert "No setting is like this" in said(operator, "settings", "list", "no-such-words")
    assert "no-such-hive" in said(operator, "settings", "list", "--hive-id", "no-such-hive", code=1)


def test_a_file_that_was_spoilt_by_hand_is_told_with_its_value(operator: Operator) -> None:
    config(operator).write_text(FILE.replace("700", "0"))
    told = said(operator, "settings", "list", "queue_max")
    assert "`queue_max` in [queen]" in told
    assert "0 is not a whole number of at least 1" in told
    assert rows(operator)["queue_max"]["value"] == 700  # what is in force
