"""An identity on disk: ``key.pem``, ``cert.pem`` and ``ca.pem`` of one machine.

``Identity`` is what TLS contexts are made of: three paths and what the certificate says.
The key of an identity stays the same for its life; renewal replaces ``cert.pem`` alone,
in one step, so that a reader never meets a key and a certificate that do not match.
Joining anew makes another key.
"""

from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from rbee.errors import StorageError
from rbee.foundation.files import make_private_dir, write_atomic
from rbee.foundation.identity.authority import (
    CERT_FILE,
    KEY_FILE,
    SKEW_S,
    Authority,
    certifiable,
)
from rbee.foundation.identity.keys import Key, PublicKey, key_from_pem, key_to_pem, make_key
from rbee.foundation.identity.peers import Peer, peer_in
from rbee.foundation.identity.places import (
    ca_dir,
    hive_identity_dir,
    queen_client_dir,
    queen_server_dir,
)

__all__ = [
    "CA_FILE",
    "Identity",
    "ca_dir",
    "fingerprint_of",
    "hive_identity_dir",
    "load_identity",
    "queen_client_dir",
    "queen_client_identity",
    "queen_server_dir",
    "queen_server_identity",
    "read_key",
    "remove_identity",
    "save_certificate",
    "save_identity",
]

CA_FILE: Final = "ca.pem"

RENEW_AFTER: Final = 1 / 3
"""Of a certificate's life: renewed after 10 days of 30, three weeks are left for trouble."""


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """A machine's key, certificate and CA, as files, and whom the certificate names."""

    key_file: Path
    cert_file: Path
    ca_file: Path
    peer: Peer
    ca_fingerprint: str

    def due(self, now_s: float) -> bool:
        """Whether it is time to renew the certificate; ``now_s`` is Unix time."""
        begin = self.peer.not_before + SKEW_S
        return now_s > begin + (self.peer.not_after - begin) * RENEW_AFTER

    def valid(self, now_s: float) -> bool:
        """Whether the certificate is valid now."""
        return self.peer.not_before <= now_s < self.peer.not_after


def load_identity(folder: Path) -> Identity | None:
    """The identity in ``folder``; None when there is none, or its parts do not match.

    An expired one is given back too: it still says who this machine was.
    """
    try:
        key = key_from_pem((folder / KEY_FILE).read_bytes())
        certificate = x509.load_pem_x509_certificate((folder / CERT_FILE).read_bytes())
        ca = x509.load_pem_x509_certificate((folder / CA_FILE).read_bytes())
        certificate.verify_directly_issued_by(ca)
    except (OSError, ValueError, TypeError, InvalidSignature, StorageError):
        return None  # each a way in which a file can be damaged or of another colony
    peer = peer_in(certificate)
    if peer is None or certificate.public_key() != key.public_key():
        return None
    return Identity(
        key_file=folder / KEY_FILE,
        cert_file=folder / CERT_FILE,
        ca_file=folder / CA_FILE,
        peer=peer,
        ca_fingerprint=fingerprint_of(ca),
    )


def read_key(folder: Path) -> Key | None:
    """The key in ``folder``, or None when there is none that can be used."""
    try:
        return key_from_pem((folder / KEY_FILE).read_bytes())
    except (OSError, StorageError):
        return None


def save_identity(folder: Path, key: Key, cert_pem: bytes, ca_pem: bytes) -> Identity:
    """Write a whole identity; the certificate last, since with it the rest is in force.

    Raises:
        StorageError: the folder cannot be written, or the parts do not match.
    """
    try:
        make_private_dir(folder)
        (folder / CERT_FILE).unlink(missing_ok=True)
        write_atomic(folder / KEY_FILE, key_to_pem(key))
        write_atomic(folder / CA_FILE, ca_pem)
    except OSError as error:
        raise _unwritable(folder, error) from None
    return save_certificate(folder, cert_pem)


def save_certificate(folder: Path, cert_pem: bytes) -> Identity:
    """Replace the certificate of an identity, as renewal does.

    Raises:
        StorageError: the folder cannot be written, or the certificate is not for this key.
    """
    path = folder / CERT_FILE
    before = path.read_bytes() if path.exists() else None
    try:
        write_atomic(path, cert_pem)
    except OSError as error:
        raise _unwritable(folder, error) from None
    found = load_identity(folder)
    if found is None:
        if before is None:
            path.unlink()
        else:
            write_atomic(path, before)
        raise StorageError(
            f"The new certificate does not fit the key and the CA in {folder}.",
            remedy="Join again with a new token.",
        )
    return found


def remove_identity(folder: Path) -> None:
    """Forget an identity; nothing happens when there is none."""
    for name in (CERT_FILE, KEY_FILE, CA_FILE):
        (folder / name).unlink(missing_ok=True)


def queen_server_identity(authority: Authority, hosts: Iterable[str], now_s: float) -> Identity:
    """Her server's identity, made or renewed when due, of another CA or for other hosts.

    Call it at her start and daily; ``hosts`` are the names and addresses she is reached by.

    Raises:
        StorageError: the folder cannot be written.
    """
    wanted = certifiable(hosts)
    return _own(
        queen_server_dir(),
        authority,
        lambda key: authority.issue_queen_server(key, wanted, now_s),
        wanted,
        now_s,
    )


def queen_client_identity(authority: Authority, now_s: float) -> Identity:
    """As ``queen_server_identity``, for herself as a client.

    Raises:
        StorageError: the folder cannot be written.
    """
    return _own(
        queen_client_dir(),
        authority,
        lambda key: authority.issue_queen_client(key, now_s),
        None,
        now_s,
    )


def fingerprint_of(certificate: x509.Certificate) -> str:
    """SHA-256 of a certificate's DER form, in hex."""
    return sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def _own(
    folder: Path,
    authority: Authority,
    issue: Callable[[PublicKey], bytes],
    hosts: frozenset[str] | None,
    now_s: float,
) -> Identity:
    """The identity in ``folder`` if it still serves, else a new one with a new key."""
    found = load_identity(folder)
    if (
        found is not None
        and found.ca_fingerprint == authority.fingerprint
        and found.valid(now_s)
        and not found.due(now_s)
        and (hosts is None or hosts <= _hosts_in(found.cert_file))
    ):
        return found
    key = make_key()
    return save_identity(folder, key, issue(key.public_key()), authority.pem)


def _hosts_in(cert_file: Path) -> frozenset[str]:
    """The names and addresses in a certificate that was just read whole."""
    certificate = x509.load_pem_x509_certificate(cert_file.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = names.get_values_for_type(x509.IPAddress)
    return frozenset(
        [*names.get_values_for_type(x509.DNSName), *(str(address) for address in addresses)]
    )


def _unwritable(folder: Path, error: OSError) -> StorageError:
    return StorageError(
        f"The identity in {folder} cannot be written: {error.strerror}.",
        remedy="Check the disk and the permissions.",
    )
