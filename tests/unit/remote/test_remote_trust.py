"""Names of machines, and which keys they may show."""

from pathlib import Path

import asyncssh
import pytest

from rbee.errors import InvalidRequest
from rbee.remote.ssh import Login, read_login
from rbee.remote.troubles import HostNotTrusted
from rbee.remote.trust import Trust, accept, entry_name, known_hosts_files, read_known, write_down

KEY = asyncssh.generate_private_key("ssh-ed25519").convert_to_public()
FINGERPRINT = KEY.get_fingerprint()


@pytest.mark.parametrize(
    ("wish", "login"),
    [
        ("gaming-pc", Login(host="gaming-pc")),
        ("me@gaming-pc", Login(host="gaming-pc", user="me")),
        ("me@10.0.0.7:2222", Login(host="10.0.0.7", user="me", port=2222)),
        ("fd00::7", Login(host="fd00::7")),
        ("me@[fd00::7]:22", Login(host="fd00::7", user="me", port=22)),
        ("me@corp@box", Login(host="box", user="me@corp")),
    ],
)
def test_names_of_machines(wish: str, login: Login) -> None:
    assert read_login(wish) == login


@pytest.mark.parametrize("wish", ["", "me@", "box:ssh", "-oProxyCommand=x", "a b", "http://box"])
def test_what_is_no_name_is_refused(wish: str) -> None:
    with pytest.raises(InvalidRequest, match="no machine"):
        read_login(wish)


@pytest.mark.parametrize(
    "trust",
    [
        Trust(fingerprint=FINGERPRINT),
        Trust(fingerprint=FINGERPRINT.removeprefix("SHA256:")),
        Trust(accept_new=True),
        Trust(ask=lambda name, shown: (name, shown) == ("box", FINGERPRINT)),
    ],
)
def test_a_new_machine_is_accepted_when_the_operator_says_so(trust: Trust) -> None:
    accept("box", KEY, trust)


@pytest.mark.parametrize(
    "trust",
    [
        Trust(),
        Trust(ask=lambda _name, _shown: False),
        Trust(fingerprint="SHA256:another", accept_new=True, ask=lambda _name, _shown: True),
    ],
)
def test_a_new_machine_is_refused_otherwise(trust: Trust) -> None:
    with pytest.raises(HostNotTrusted) as caught:
        accept("box", KEY, trust)
    assert FINGERPRINT in caught.value.message


def test_an_accepted_key_is_known_from_then_on(tmp_path: Path) -> None:
    file = tmp_path / "ssh" / "known_hosts"
    write_down(file, "one", KEY)
    file.write_bytes(file.read_bytes().rstrip(b"\n"))  # as some editors leave it
    write_down(file, entry_name("two", 2222), KEY)
    assert file.stat().st_mode & 0o077 == 0
    known = asyncssh.import_known_hosts(read_known([file, tmp_path / "absent"]).decode())
    assert asyncssh.match_known_hosts(known, "one", "", None)[0] == [KEY]
    assert asyncssh.match_known_hosts(known, "two", "", 2222)[0] == [KEY]
    assert asyncssh.match_known_hosts(known, "two", "", None)[0] == []


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "ssh").write_text("a file where the folder should be")
    with pytest.raises(HostNotTrusted, match="cannot be written"):
        write_down(tmp_path / "ssh" / "known_hosts", "one", KEY)


@pytest.mark.parametrize("configured", [[], ["/dev/null"], None])
def test_the_check_cannot_be_switched_off(configured: list[str] | None) -> None:
    assert known_hosts_files(configured)[0] == Path("~/.ssh/known_hosts").expanduser()
    assert known_hosts_files(["/x/known"])[0] == Path("/x/known")
