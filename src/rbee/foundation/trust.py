"""Which colonies a user trusts, and how a client checks that it speaks with one of them.

A colony has a CA of its own that no system knows. ``rbee login URL`` shows its fingerprint
once and keeps the CA; from then on that address is answered by this colony or by nobody.
On a machine of the colony nobody has to log in: the CA of its own queen or hive counts.
``RBEE_CA_FILE`` names a CA to trust instead of all that, checked by host name as usual.
``client.transport`` asks here for every https URL.
"""

import os
import ssl
from hashlib import sha256
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from rbee.errors import BadSettings
from rbee.foundation import config, paths, secrets
from rbee.foundation.files import make_private_dir, read_struct, write_atomic, write_struct
from rbee.foundation.http.tls import colony_context
from rbee.foundation.identity.places import ca_dir, hive_identity_dir

CA_FILE_VARIABLE: Final = "RBEE_CA_FILE"

_FILE: Final = "colonies.json"
_PORTS: Final = {"http": 80, "https": 443}


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """An address that somebody logged in to. ``ca`` is its CA's fingerprint; null: the system's."""

    origin: str
    ca: str | None = None


class _Book(msgspec.Struct, frozen=True, kw_only=True):
    """All of them; ``usual`` is the one that commands go to when nothing else is said."""

    known: list[Known] = msgspec.field(default_factory=list[Known])
    usual: str | None = None


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL, in lower case and with the port written out."""
    parts = urlsplit(url.lower())
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}:{parts.port or _PORTS.get(parts.scheme, 0)}"


def fingerprint_of(pem: str) -> str:
    """SHA-256 of a certificate's DER form, in hex, as join tokens hold it.

    Raises:
        ValueError: it is no certificate in PEM form.
    """
    return sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


def known(url: str) -> Known | None:
    """What is known of an address."""
    origin = origin_of(url)
    return next((entry for entry in _read().known if entry.origin == origin), None)


def usual() -> str | None:
    """The address that was logged in to last; None: to none."""
    return _read().usual


def remember(url: str, ca_pem: str | None) -> Known:
    """Trust what answers at ``url`` when ``ca_pem`` has signed it (null: the system's CAs).

    Raises:
        OSError: the config folder cannot be written.
        ValueError: ``ca_pem`` is no certificate.
    """
    entry = Known(origin=origin_of(url), ca=None if ca_pem is None else fingerprint_of(ca_pem))
    make_private_dir(_ca_folder())
    if entry.ca is not None and ca_pem is not None:
        write_atomic(_ca_path(entry.ca), ca_pem.encode())
    others = [old for old in _read().known if old.origin != entry.origin]
    _write(_Book(known=[*others, entry], usual=entry.origin))
    return entry


def forget(url: str) -> bool:
    """Trust an address no longer, and forget its key. Whether it was known."""
    origin, book = origin_of(url), _read()
    left = [entry for entry in book.known if entry.origin != origin]
    if len(left) == len(book.known):
        return False
    _write(_Book(known=left, usual=None if book.usual == origin else book.usual))
    for gone in {entry.ca for entry in book.known} - {entry.ca for entry in left} - {None}:
        _ca_path(str(gone)).unlink(missing_ok=True)
    secrets.forget(key_name(origin))
    return True


def key_name(url: str) -> str:
    """Under which name the key for an address is kept (``foundation.secrets``)."""
    return f"key for {origin_of(url)}"


def key_for(url: str) -> str | None:
    """The key to show at an address: ``RBEE_API_KEY``, that of the login, the colony's file."""
    if os.environ.get(config.COLONY_KEY_VARIABLE, "").strip():
        return config.colony_key()
    if known(url) is not None:
        return secrets.find(key_name(url))  # another colony's key is nobody's business there
    return config.colony_key()


def client_context(url: str, *, expects: str) -> ssl.SSLContext:
    """How to check who answers at an https URL. ``expects``: see ``tls.colony_context``.

    Raises:
        BadSettings: ``RBEE_CA_FILE`` cannot be used.
    """
    named = os.environ.get(CA_FILE_VARIABLE, "").strip()
    if named:
        try:
            return ssl.create_default_context(cafile=Path(named).expanduser())
        except OSError as error:  # ssl.SSLError is one
            raise BadSettings(
                f"{CA_FILE_VARIABLE} {named} cannot be used: {error.strerror or error}.",
                remedy="It wants a file with a CA's certificate in PEM form.",
            ) from None
    entry = known(url)
    if entry is not None:
        found = [] if entry.ca is None else [_ca_path(entry.ca)]
    else:
        found = [path for path in _cas() if path.is_file()]
    for first in found:
        context = colony_context(first, expects=expects)
        for other in found[1:]:
            context.load_verify_locations(other)
        return context
    return ssl.create_default_context()


def _cas() -> list[Path]:
    """The CAs that count for addresses nobody logged in to: a colony has many machines."""
    book = _read()
    accepted = {entry.ca for entry in book.known if entry.ca is not None}
    own = [ca_dir() / "cert.pem", hive_identity_dir() / "ca.pem"]
    return [*own, *(_ca_path(fingerprint) for fingerprint in sorted(accepted))]


def _ca_folder() -> Path:
    return paths.config_dir() / "trusted"


def _ca_path(fingerprint: str) -> Path:
    return _ca_folder() / f"{fingerprint}.pem"


def _read() -> _Book:
    return read_struct(paths.config_dir() / _FILE, _Book) or _Book()


def _write(book: _Book) -> None:
    write_struct(paths.config_dir() / _FILE, book)
