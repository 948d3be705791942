"""The doctor's judgement about safety: who can reach this machine, and with what. Pure.

docs/security.md says what should be so; this says where it is not. As in ``checks``, a
finding that is not ``ok`` says what to do.
"""

import ipaddress
from collections.abc import Sequence

import msgspec

from rbee.foundation.announcements import Room
from rbee.keeper.doctor.checks import Finding
from rbee.keeper.units import duration_text

KEY_CHARS_MIN = 20  # letters and digits: about 120 bits, out of reach for guessing
EXPIRES_SOON_S = 7 * 86_400.0  # the own CA's are renewed three weeks before
_WIDE_BITS = 8  # a /8 is the largest private network; anything wider is the internet


class DoorFacts(msgspec.Struct, frozen=True, kw_only=True):
    """How a daemon of this machine is set to listen, and what it would show.

    ``given`` is the operator's certificate, ``given_ends_in_s`` its life, null when it
    cannot be read. ``key_chars`` is 0 without a colony key.
    """

    room: Room
    bind: str
    loopback: bool
    key_chars: int
    trusted: list[str] = msgspec.field(default_factory=list[str])
    given: str | None = None
    given_ends_in_s: float | None = None


class OwnCa(msgspec.Struct, frozen=True, kw_only=True):
    """The colony's CA on this machine. ``whose``: its queen's, or that of a hive that joined."""

    whose: str
    fingerprint: str
    ends_in_s: float | None = None


def check_door(facts: DoorFacts) -> list[Finding]:
    """Is what others can reach locked, and encrypted?"""
    name = f"{facts.room}'s door"
    if facts.loopback:
        return [Finding(check=name, result="ok", message="Only this machine can reach it.")]
    if not facts.key_chars:
        return [
            Finding(
                check=name,
                result="fail",
                message=f"It is set to listen on {facts.bind}, and there is no key: "
                "it refuses to start.",
                remedy="Set RBEE_API_KEY to a long random value, or bind to 127.0.0.1.",
            )
        ]
    findings = [*_check_key(name, facts), *_check_given(name, facts), *_check_trusted(name, facts)]
    return findings or [
        Finding(check=name, result="ok", message=f"Locked and encrypted on {facts.bind}.")
    ]


def _check_key(name: str, facts: DoorFacts) -> list[Finding]:
    if facts.key_chars >= KEY_CHARS_MIN:
        return []
    return [
        Finding(
            check=name,
            result="warn",
            message=f"Others can reach it, and the colony's key has {facts.key_chars} characters.",
            remedy="Use a random one: `python3 -c 'import secrets; print(secrets.token_hex())'`.",
        )
    ]


def _check_given(name: str, facts: DoorFacts) -> list[Finding]:
    if facts.given is None:
        return []
    left_s = facts.given_ends_in_s
    if left_s is None or left_s <= 0:
        what = "cannot be read" if left_s is None else "has expired"
        return [
            Finding(
                check=name,
                result="fail",
                message=f"The certificate {facts.given} {what}.",
                remedy="Correct `tls_cert` and `tls_key`, or leave them out: "
                "the colony's own CA then does.",
            )
        ]
    if left_s > EXPIRES_SOON_S:
        return []
    return [
        Finding(
            check=name,
            result="warn",
            message=f"The certificate {facts.given} expires in {duration_text(left_s)}.",
            remedy="Renew it; the new files are read within a second, without a restart.",
        )
    ]


def _check_trusted(name: str, facts: DoorFacts) -> list[Finding]:
    wide = [text for text in facts.trusted if _is_wide(text)]
    if not wide:
        return []
    return [
        Finding(
            check=name,
            result="warn",
            message=f"Plain HTTP is allowed from {', '.join(wide)}: keys and prompts can be read "
            "on the way.",
            remedy="Name only networks that encrypt by themselves in `trusted_networks`.",
        )
    ]


def _is_wide(text: str) -> bool:
    try:
        return ipaddress.ip_network(text).prefixlen < _WIDE_BITS
    except ValueError:
        return False  # the daemon itself refuses it, with its name


def check_ca(own: OwnCa) -> Finding:
    """What to compare at a first contact (``rbee login``, ``rbee hive join``)."""
    digits = own.fingerprint
    shown = " ".join(digits[at : at + 8] for at in range(0, len(digits), 8))
    message = f"The CA of {own.whose} has the fingerprint {shown}."
    if own.ends_in_s is not None and own.ends_in_s <= 0:
        return Finding(
            check="certificates",
            result="fail",
            message=f"{message} The certificate of this machine has expired.",
            remedy="Check the clock; then `rbee hive join` with a new token.",
        )
    return Finding(check="certificates", result="ok", message=message)


def check_private(open_files: Sequence[str]) -> Finding:
    """Can other users of this machine read what is secret?"""
    if not open_files:
        return Finding(
            check="secrets", result="ok", message="Keys are readable by this user alone."
        )
    return Finding(
        check="secrets",
        result="fail",
        message=f"Other users of this machine can read {', '.join(open_files)}.",
        remedy="`chmod 600` on each file and `chmod 700` on its folder; if others log in here, "
        "make new keys.",
    )
