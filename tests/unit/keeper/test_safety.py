"""The doctor on safety: what is open, what can be read, what has run out."""

import sys
import time
from pathlib import Path

import msgspec
import pytest

from rbee.foundation import secrets
from rbee.keeper.doctor.safety import (
    DoorFacts,
    OwnCa,
    check_ca,
    check_door,
    check_private,
)
from rbee.keeper.doctor.safety_facts import look_at_cas, look_at_door, look_at_secrets
from rbee.testing.certificates import Certificates

OPEN = DoorFacts(room="queen", bind="0.0.0.0", loopback=False, key_chars=64)  # noqa: S104  judged


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for which in ("CONFIG", "DATA"):
        monkeypatch.setenv(f"RBEE_{which}_DIR", str(tmp_path))
    return tmp_path


def said(facts: DoorFacts) -> list[tuple[str, str]]:
    return [(finding.result, finding.message) for finding in check_door(facts)]


def door(**changes: object) -> DoorFacts:
    return msgspec.structs.replace(OPEN, **changes)


@pytest.mark.parametrize(
    ("facts", "result", "words"),
    [
        (door(bind="127.0.0.1", loopback=True, key_chars=0), "ok", "Only this machine"),
        (OPEN, "ok", "Locked and encrypted"),
        (door(key_chars=0), "fail", "no key"),
        (door(key_chars=8), "warn", "8 characters"),
        (door(trusted=["10.0.0.0/8", "nonsense"]), "ok", "Locked"),
        (door(trusted=["0.0.0.0/0"]), "warn", "0.0.0.0/0"),
        (door(given="/x.pem"), "fail", "cannot be read"),
        (door(given="/x.pem", given_ends_in_s=-1.0), "fail", "expired"),
        (door(given="/x.pem", given_ends_in_s=86_400.0), "warn", "expires in"),
        (door(given="/x.pem", given_ends_in_s=90 * 86_400.0), "ok", "Locked"),
    ],
)
def test_doors(facts: DoorFacts, result: str, words: str) -> None:
    ((found, message),) = said(facts)
    assert found == result
    assert words in message


def test_the_fingerprint_is_shown_to_be_compared(home: Path) -> None:
    colony = Certificates(home / "colony")
    (home / "queen" / "ca").mkdir(parents=True)
    (home / "queen" / "ca" / "cert.pem").write_bytes(colony.ca.read_bytes())
    (own,) = look_at_cas()
    assert own.fingerprint == colony.authority.fingerprint
    message = check_ca(own).message
    assert own.fingerprint in message.replace(" ", "")
    expired = OwnCa(whose="x", fingerprint="ab" * 32, ends_in_s=-5.0)
    assert check_ca(expired).result == "fail"


def test_a_joined_hive_knows_the_colony(home: Path) -> None:
    colony = Certificates(home / "colony")
    colony.hive("identity")
    (home / "hive").mkdir()
    (home / "colony" / "identity").rename(home / "hive" / "identity")
    (own,) = look_at_cas()
    assert own.ends_in_s is not None
    assert time.time() + own.ends_in_s > time.time() + 86_400


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
def test_files_that_others_can_read_are_named(home: Path) -> None:
    secrets.keep("a key", "secret", keyring=False)
    assert look_at_secrets() == []
    assert check_private([]).result == "ok"
    (home / "api_key").write_text("secret")
    (home / "api_key").chmod(0o644)
    assert look_at_secrets() == [str(home / "api_key")]
    finding = check_private(look_at_secrets())
    assert finding.result == "fail"
    assert "chmod 600" in (finding.remedy or "")


def test_settings_are_read_as_the_daemon_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RBEE_QUEEN_BIND", "192.0.2.7")
    monkeypatch.setenv("RBEE_API_KEY", "k" * 30)
    monkeypatch.setenv("RBEE_QUEEN_TLS_CERT", "/nowhere/cert.pem")
    facts = look_at_door("queen")
    assert (facts.bind, facts.loopback, facts.key_chars) == ("192.0.2.7", False, 30)
    assert (facts.given, facts.given_ends_in_s) == ("/nowhere/cert.pem", None)
