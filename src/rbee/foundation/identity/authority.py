"""The colony's own CA: who holds its key decides who belongs to the colony.

The queen opens it in her data folder (``open_authority``) and issues three kinds of
certificates: for a hive (it both dials and serves with it), for her own server, and
for herself as a client. The names in them are written here, never taken from a request.
"""

import contextlib
import ipaddress
import secrets
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from rbee.errors import StorageError
from rbee.foundation.files import make_private_dir, write_atomic
from rbee.foundation.identity.keys import (
    Key,
    PublicKey,
    key_fingerprint,
    key_from_pem,
    key_to_pem,
    make_key,
)
from rbee.foundation.identity.peers import QUEEN_NAME, QUEEN_URI, hive_name, hive_uri

LIFETIME_S: Final = 30 * 86_400.0
"""A certificate's life: a stolen key is of use for a month at most, and a hive that was
switched off over the holidays still gets back in."""
CA_LIFETIME_S: Final = 10 * 365 * 86_400.0  # longer than the machines live
SKEW_S: Final = 3600.0
"""Certificates are valid from an hour before: clocks of machines at home are often wrong."""

KEY_FILE: Final = "key.pem"
CERT_FILE: Final = "cert.pem"

_SERIAL_RANDOM_BITS: Final = 80  # 64 for the membership before them: 144 of the 159 allowed
_TITLE_CHARS_MAX: Final = 64  # X.509 allows no longer common name
_CLIENT: Final = ExtendedKeyUsageOID.CLIENT_AUTH
_SERVER: Final = ExtendedKeyUsageOID.SERVER_AUTH


class Authority:
    """A CA: its certificate and its key. Times are Unix times in seconds."""

    def __init__(self, key: Key, certificate: x509.Certificate) -> None:
        self._key = key
        self.certificate = certificate
        self.pem = certificate.public_bytes(Encoding.PEM)
        self.fingerprint = sha256(certificate.public_bytes(Encoding.DER)).hexdigest()

    def issue_hive(self, key: PublicKey, hive_id: str, now_s: float, membership: int = 0) -> bytes:
        """A hive's certificate in PEM form, for both directions, valid for 30 days.

        ``membership`` (up to 64 bits) stands in its serial number: see ``membership_of``.
        """
        names = [
            x509.UniformResourceIdentifier(hive_uri(hive_id)),
            x509.DNSName(hive_name(hive_id)),
        ]
        return self._issue(key, f"hive {hive_id}", names, [_CLIENT, _SERVER], now_s, membership)

    def issue_queen_server(self, key: PublicKey, hosts: Iterable[str], now_s: float) -> bytes:
        """Her server's certificate; ``hosts`` are the names and addresses she is reached by."""
        names = [
            x509.UniformResourceIdentifier(QUEEN_URI),
            x509.DNSName(QUEEN_NAME),
            *(_host(host) for host in sorted(certifiable(hosts))),
        ]
        return self._issue(key, "queen", names, [_SERVER], now_s)

    def issue_queen_client(self, key: PublicKey, now_s: float) -> bytes:
        """The certificate by which hives and workers know the queen when she dials them."""
        names = [x509.UniformResourceIdentifier(QUEEN_URI)]
        return self._issue(key, "queen", names, [_CLIENT], now_s)

    def _issue(
        self,
        key: PublicKey,
        title: str,
        names: Sequence[x509.GeneralName],
        uses: list[x509.ObjectIdentifier],
        now_s: float,
        membership: int = 0,
    ) -> bytes:
        end_s = min(now_s + LIFETIME_S, _end(self.certificate))
        builder = (
            _base(_name(title), key, now_s, end_s)
            .serial_number(_serial(membership))
            .issuer_name(self.certificate.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
        )
        return builder.sign(self._key, SHA256()).public_bytes(Encoding.PEM)


def membership_of(serial: int) -> int:
    """The membership in a certificate's serial number.

    Each time a hive joins it gets another one and keeps it through renewals. So one number
    in the queen's books says which of the certificates that name a hive still count.
    """
    return serial >> _SERIAL_RANDOM_BITS


def make_authority(now_s: float) -> tuple[Authority, Key]:
    """A new CA and its key, which the caller has to keep."""
    key = make_key()
    # A number in the name tells the CAs of two colonies apart where only names are shown.
    name = _name(f"rbee colony {key_fingerprint(key.public_key())[:8]}")
    builder = (
        _base(name, key.public_key(), now_s, now_s + CA_LIFETIME_S)
        .serial_number(_serial(0))
        .issuer_name(name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
    )
    return Authority(key, builder.sign(key, SHA256())), key


def open_authority(folder: Path, now_s: float) -> Authority:
    """The CA in ``folder``, made at the first call. The key has mode 0600.

    Raises:
        StorageError: the folder cannot be used, or the files are damaged. A damaged CA is
            not replaced: with another one every hive would have to join anew.
    """
    try:
        if not (folder / CERT_FILE).exists():
            return _create(folder, now_s)
        certificate = x509.load_pem_x509_certificate((folder / CERT_FILE).read_bytes())
        key = key_from_pem((folder / KEY_FILE).read_bytes())
    except ValueError:
        raise _damaged(folder, f"{CERT_FILE} is no certificate") from None
    except OSError as error:
        raise StorageError(
            f"The colony's CA in {folder} cannot be read or written: {error.strerror}.",
            remedy="Check the disk and the permissions; the queen's user has to own the folder.",
        ) from None
    except StorageError as error:
        raise _damaged(folder, error.message) from None
    if certificate.public_key() != key.public_key():
        raise _damaged(folder, f"{KEY_FILE} does not belong to {CERT_FILE}")
    return Authority(key, certificate)


def _create(folder: Path, now_s: float) -> Authority:
    """Key first: a CA whose certificate was seen somewhere always has its key."""
    authority, key = make_authority(now_s)
    make_private_dir(folder)
    write_atomic(folder / KEY_FILE, key_to_pem(key))
    write_atomic(folder / CERT_FILE, authority.pem)
    return authority


def _damaged(folder: Path, what: str) -> StorageError:
    return StorageError(
        f"The colony's CA in {folder} is damaged: {what}.",
        remedy="Restore the folder from a backup. Without one, move it away: "
        "the queen then makes a new CA, and every hive has to join again.",
    )


def _serial(membership: int) -> int:
    """A positive number of at most 20 bytes that no other certificate of this CA has."""
    return membership << _SERIAL_RANDOM_BITS | secrets.randbits(_SERIAL_RANDOM_BITS) | 1


def _name(title: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title[:_TITLE_CHARS_MAX])])


def _base(name: x509.Name, key: PublicKey, now_s: float, end_s: float) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .public_key(key)
        .not_valid_before(_when(now_s - SKEW_S))
        .not_valid_after(_when(end_s))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _when(at_s: float) -> datetime:
    return datetime.fromtimestamp(int(at_s), UTC)


def _end(certificate: x509.Certificate) -> float:
    return certificate.not_valid_after_utc.timestamp()


def certifiable(hosts: Iterable[str]) -> frozenset[str]:
    """The names and addresses as certificates hold them; what none can hold is left out."""
    found: set[str] = set()
    for host in hosts:
        try:
            found.add(str(ipaddress.ip_address(host)))
        except ValueError:
            with contextlib.suppress(ValueError):
                found.add(host.lower().encode("idna").decode("ascii"))
    return frozenset(found - {""})


def _host(host: str) -> x509.GeneralName:
    """One of ``certifiable``."""
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
