"""Signing requests: a hive proves that it holds a key, and says nothing else that counts.

The queen takes the public key out of a request and writes the names herself: what a
request asks to be called is not looked at. A request is untrusted input, so its size and the
kind of its key are bounded before anything is computed with it.
"""

from typing import Final, cast

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from rbee.errors import InvalidRequest
from rbee.foundation.identity.keys import Key, PublicKey, is_ours

REQUEST_CHARS_MAX: Final = 4096  # one with a P-256 key has about 400


def make_request(key: Key, hive_id: str) -> str:
    """A signing request in PEM form. ``hive_id`` is for people who look at it."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hive_id)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM).decode("ascii")


def public_key_in(request: str) -> PublicKey:
    """The key that a request proves to hold.

    Raises:
        InvalidRequest: too long, damaged, a wrong signature, or a key of another kind.
    """
    if len(request) > REQUEST_CHARS_MAX:
        raise _bad(f"it has {len(request)} characters, over the limit of {REQUEST_CHARS_MAX}")
    try:
        found = x509.load_pem_x509_csr(request.encode("ascii"))
        key = found.public_key()
        if not is_ours(key):
            raise _bad("its key is not of the kind P-256")
        if not found.is_signature_valid:
            raise _bad("its signature is wrong")
    except (ValueError, UnsupportedAlgorithm, TypeError):
        raise _bad("it is damaged") from None
    return cast("PublicKey", key)


def _bad(what: str) -> InvalidRequest:
    return InvalidRequest(f"The signing request cannot be used: {what}.", param="$.request")
