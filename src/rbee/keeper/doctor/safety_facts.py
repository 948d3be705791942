"""The doctor's eyes for safety: settings, certificates and file modes of this machine."""

import stat
import sys
import time
from pathlib import Path

from rbee.foundation import config, paths, secrets
from rbee.foundation.addresses import is_loopback
from rbee.foundation.announcements import Room
from rbee.foundation.identity.places import ca_dir, hive_identity_dir
from rbee.foundation.trust import fingerprint_of
from rbee.keeper.doctor.safety import DoorFacts, OwnCa

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def look_at_door(room: Room) -> DoorFacts:
    """A daemon's door as it is configured.

    Raises:
        BadSettings: config.toml is wrong.
    """
    bind = config.one(room, "bind", str, "127.0.0.1")
    given = config.one(room, "tls_cert", str, "") or None
    return DoorFacts(
        room=room,
        bind=bind,
        loopback=is_loopback(bind),
        key_chars=len(config.colony_key() or ""),
        trusted=config.one(room, "trusted_networks", list[str], []),
        given=given,
        given_ends_in_s=None if given is None else _ends_in_s(Path(given).expanduser()),
    )


def look_at_cas() -> list[OwnCa]:
    """The CAs that this machine knows as its own."""
    found: list[OwnCa] = []
    identity = hive_identity_dir()
    for whose, ca, cert in (
        ("this machine's queen", ca_dir() / "cert.pem", None),
        ("the colony that this machine's hive joined", identity / "ca.pem", identity / "cert.pem"),
    ):
        try:
            fingerprint = fingerprint_of(ca.read_text(encoding="ascii"))
        except (OSError, ValueError):
            continue
        ends_in_s = None if cert is None else _ends_in_s(cert)
        found.append(OwnCa(whose=whose, fingerprint=fingerprint, ends_in_s=ends_in_s))
    return found


def look_at_secrets() -> list[str]:
    """Secret files that more than their owner can read; none on systems without modes."""
    if sys.platform == "win32":
        return []
    folders = [secrets.secrets_dir(), ca_dir(), hive_identity_dir()]
    queen = paths.data_dir() / "queen"
    files = [
        paths.config_dir() / "api_key",
        *(path for folder in folders for path in _files_in(folder) if path.suffix != ".pem"),
        *(folder / "key.pem" for folder in (ca_dir(), hive_identity_dir())),
        *(queen / name / "key.pem" for name in ("server", "client")),
    ]
    return [str(path) for path in files if _is_open(path)]


def _files_in(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _is_open(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & _OTHERS)
    except OSError:
        return False


def _ends_in_s(certificate: Path) -> float | None:
    """Seconds until a certificate expires; None when it cannot be read."""
    from cryptography import x509  # noqa: PLC0415  60 ms that only machines with one pay

    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
    except (OSError, ValueError):
        return None
    return found.not_valid_after_utc.timestamp() - time.time()
