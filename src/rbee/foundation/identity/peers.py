"""Names in certificates: who a certificate speaks for, and how TLS checks it.

The one name that counts is a URI in the subject's alternative names:
``rbee://queen`` or ``rbee://hive/ID``. Beside it stands a DNS name that is made of it,
which no resolver knows: whoever dials a colony's machine passes it as
``server_hostname``, and the usual check of TLS then proves *which* machine it is,
under whatever address it was reached.
"""

import re
from hashlib import sha256
from typing import Final, Literal

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from rbee.contracts.ids import is_hive_id
from rbee.foundation.identity.keys import key_fingerprint

Role = Literal["queen", "hive"]

QUEEN_URI: Final = "rbee://queen"
QUEEN_NAME: Final = "queen.rbee.internal"
"""The DNS name in every certificate of a queen's server (``.internal`` is nobody's)."""

_HIVE_URI: Final = re.compile(r"rbee://hive/([A-Za-z0-9._-]{1,64})")
_LABEL_DIGITS: Final = 40  # of a hash, in hex: a DNS label takes 63


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a certificate names. ``id`` is the hive's id, or ``queen``.

    ``serial`` is the certificate's number in hex, ``fingerprint`` the SHA-256 of its
    DER form in hex, ``key_fingerprint`` that of its public key: the key is what a hive is
    known by, since renewed certificates keep it. ``not_before`` and ``not_after`` are Unix
    times in seconds.
    """

    role: Role
    id: str
    serial: str
    fingerprint: str
    key_fingerprint: str
    not_before: float
    not_after: float


def hive_uri(hive_id: str) -> str:
    """The URI that names a hive in its certificate."""
    return f"rbee://hive/{hive_id}"


def hive_name(hive_id: str) -> str:
    """The DNS name in a hive's certificate: pass it as ``server_hostname`` when dialling it.

    Made of a hash, because ids tell upper from lower case and may be longer than a label.
    """
    return f"{sha256(hive_id.encode()).hexdigest()[:_LABEL_DIGITS]}.hive.rbee.internal"


def peer_of(der: bytes | None) -> Peer | None:
    """Whom a certificate in DER form names; None for none, a damaged or a foreign one.

    This only reads: that the colony's CA signed it and that it has not expired was
    checked by TLS, or has to be checked by who asks.
    """
    if not der:
        return None
    try:
        return peer_in(x509.load_der_x509_certificate(der))
    except (ValueError, x509.DuplicateExtension):
        return None


def peer_in(certificate: x509.Certificate) -> Peer | None:
    """As ``peer_of``, for a certificate that was read.

    A certificate with two of our URIs names nobody: it could be taken for either.
    """
    try:
        key = certificate.public_key()
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, UnsupportedAlgorithm, x509.ExtensionNotFound, x509.DuplicateExtension):
        return None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return None  # no key of ours
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    if len(uris) != 1 or (found := _named(uris[0])) is None:
        return None
    role, id_ = found
    return Peer(
        role=role,
        id=id_,
        serial=serial_text(certificate),
        fingerprint=sha256(certificate.public_bytes(Encoding.DER)).hexdigest(),
        key_fingerprint=key_fingerprint(key),
        not_before=certificate.not_valid_before_utc.timestamp(),
        not_after=certificate.not_valid_after_utc.timestamp(),
    )


def serial_text(certificate: x509.Certificate) -> str:
    """A certificate's number as it stands in files and messages."""
    return f"{certificate.serial_number:x}"


def _named(uri: str) -> tuple[Role, str] | None:
    if uri == QUEEN_URI:
        return "queen", "queen"
    matched = _HIVE_URI.fullmatch(uri)
    if matched is None or not is_hive_id(matched[1]):
        return None
    return "hive", matched[1]
