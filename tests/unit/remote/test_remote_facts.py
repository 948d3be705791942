"""Looking at a machine: this one really, others by what they would say."""

import pytest

from rbee.remote.facts import read_facts
from rbee.remote.troubles import CommandFailed

pytestmark = pytest.mark.anyio

SAID = """\
home=/home/ada
user=ada
hostname=box
system=Linux
machine=x86_64
client=10.0.0.2
sudo=password
systemd=yes
user_systemd=no
disk=123456
"""


def test_a_profile_that_prints_something_is_no_obstacle() -> None:
    found = read_facts(f"Welcome to box!\nload=3 users\n{SAID}", "box")
    assert (found.user, found.sudo, found.systemd, found.user_systemd) == (
        "ada",
        "password",
        True,
        False,
    )


@pytest.mark.parametrize("said", ["", "Microsoft Windows [Version 10]", SAID.replace("sudo", "x")])
def test_another_language_is_told(said: str) -> None:
    with pytest.raises(CommandFailed, match="unexpected"):
        read_facts(said, "box")


@pytest.mark.parametrize("text", ["", "{", '{"build": 1}', "null"])
def test_a_damaged_record_counts_as_none(text: str) -> None:
    assert read_facts(f"{SAID}record={text}\n", "box").installed is None


def test_an_interpreter_that_babbles_does_not_count() -> None:
    assert read_facts(f"{SAID}python=Segmentation fault\n", "box").pythons == ()
