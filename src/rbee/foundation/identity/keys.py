"""Private keys and fingerprints. ECDSA on P-256: small, fast, and known to every TLS library.

A private key is made where it is used and never travels; what travels is its public
half, inside a signing request or a certificate.
"""

from base64 import b32encode
from hashlib import sha256
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from rbee.errors import StorageError

Key = ec.EllipticCurvePrivateKey
PublicKey = ec.EllipticCurvePublicKey

_CODE_BYTES: Final = 15  # 120 bits: two colliding codes cost 2^60 pairs of keys
_GROUP: Final = 6  # letters that a person compares at a glance; 24 in all


def make_key() -> Key:
    """A new private key; about 50 µs."""
    return ec.generate_private_key(ec.SECP256R1())


def key_to_pem(key: Key) -> bytes:
    """The private key as PKCS #8. Write it with mode 0600 and nowhere else."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def key_from_pem(pem: bytes) -> Key:
    """Read ``key_to_pem``'s form.

    Raises:
        StorageError: damaged, or a key of another kind.
    """
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise StorageError("A private key's file is damaged.") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not is_ours(key.public_key()):
        raise StorageError("A private key's file holds a key of another kind than P-256.")
    return key


def is_ours(key: PublicKeyTypes) -> bool:
    """Whether a public key is of the one kind that is used here."""
    return isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)


def key_fingerprint(key: PublicKey) -> str:
    """SHA-256 of the public key (SubjectPublicKeyInfo, DER) in hex."""
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return sha256(der).hexdigest()


def pairing_code(ca_fingerprint: str, key_print: str) -> str:
    """What an operator compares on both machines before a hive without a token is let in.

    It is made of both ends' keys (the CA's fingerprint and the hive's
    ``key_fingerprint``, both in hex), so that someone in between, who has to show
    each side another key, cannot make both sides show the same code.
    """
    digest = sha256(bytes.fromhex(ca_fingerprint) + bytes.fromhex(key_print)).digest()
    letters = b32encode(digest[:_CODE_BYTES]).decode("ascii")
    return "-".join(letters[at : at + _GROUP] for at in range(0, len(letters), _GROUP))
